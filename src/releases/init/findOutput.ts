import type { GraphUse } from '../../scoring/manifest.js'
import type { GraphMetadata } from '../../scoring/onnx/graphForm.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import type { Proposal } from './proposal.js'
import type { SampleRow } from './sampleRows.js'
import { spreadRows } from './spreadRows.js'

// Tried in each way; more would take long where there are many ways.
const MOST_TRIED = 300
const MOST_CLASSES = 10

export interface FoundOutput {
  readonly onnx: GraphUse
  /** The largest difference from the probabilities of all the rows. */
  readonly deviation: number
}

/**
 * Finds the output and the column that agree best with the probabilities of the rows, and the way in which the graph takes categories. The names and classes of
 * outputs differ between libraries; the probabilities do not.
 * @throws Error where the graph answers the rows in no way, with the runtime's sentence
 */
export async function findOutput(
  bytes: Uint8Array,
  graph: GraphMetadata,
  proposal: Proposal,
  rows: readonly SampleRow[],
): Promise<FoundOutput> {
  const tried = spreadRows(rows, proposal, MOST_TRIED)
  let best: FoundOutput | undefined
  let says = 'it has no output of floating-point numbers'
  for (const inputs of proposal.candidates) {
    for (const output of outputsOf(graph)) {
      const found = await tryOutput(bytes, { inputs, output }, proposal, tried)
      if (typeof found === 'string') says = found
      else if (!best || found.deviation < best.deviation) best = found
    }
  }
  if (!best) throw new Error(`The graph answers none of the rows: ${says}.`)
  const found = tried.length === rows.length ? best : await tryOutput(bytes, best.onnx, proposal, rows)
  if (typeof found === 'string') throw new Error(`The graph does not answer all rows: ${found}.`)
  return found
}

function outputsOf({ outputMetadata }: GraphMetadata): GraphUse['output'][] {
  return outputMetadata.flatMap(({ name, shape = [] }) => {
    const width = shape.length > 1 ? shape.at(-1) : 1
    // A ZipMap hides the width of what it was made from.
    const columns = typeof width === 'number' && width > 0 && shape.length > 0 ? width : MOST_CLASSES
    return Array.from({ length: Math.min(columns, MOST_CLASSES) }, (_, column) => ({ name, column }))
  })
}

async function tryOutput(
  bytes: Uint8Array,
  onnx: GraphUse,
  proposal: Proposal,
  rows: readonly SampleRow[],
): Promise<FoundOutput | string> {
  let model: OnnxModel | undefined
  try {
    model = await OnnxModel.load(bytes, { onnx })
    const answers = await model.run(rows.map(proposal.featuresOf))
    const deviation = answers.reduce((most, answer, i) => Math.max(most, distance(answer, rows[i] as SampleRow)), 0)
    return { onnx, deviation }
  } catch (error) {
    return saidBy(error)
  } finally {
    await model?.release()
  }
}

function distance(answer: number, { probability }: SampleRow): number {
  return Number.isNaN(answer) ? 1 : Math.abs(answer - probability)
}
