import type { GraphMetadata } from '../../scoring/onnx/graphForm.js'
import { type FoundOutput, findOutput } from './findOutput.js'
import { type GivenCodes, type Proposal, propose } from './proposal.js'
import type { SampleRow, SampleRows } from './sampleRows.js'
import { spreadRows } from './spreadRows.js'
import { asWritten } from './writtenTexts.js'

// Enough for each edge and a good spread, and scored in a few milliseconds at every load.
const MOST_GOLDEN_ROWS = 1_000

export interface Reading {
  readonly sample: SampleRows
  readonly proposal: Proposal
  readonly goldenRows: readonly SampleRow[]
  readonly found: FoundOutput
}

/** How the graph agrees best with the rows. "none" and outer spaces may be part of a text that the graph takes: its answers tell. */
export async function bestReading(
  bytes: Uint8Array,
  graph: GraphMetadata,
  sample: SampleRows,
  codes: GivenCodes,
): Promise<Reading> {
  const read = async (sample: SampleRows): Promise<Reading> => {
    const proposal = propose(graph, sample, codes)
    const goldenRows = spreadRows(sample.rows, proposal, MOST_GOLDEN_ROWS)
    return { sample, proposal, goldenRows, found: await findOutput(bytes, graph, proposal, goldenRows) }
  }
  const usual = await read(sample)
  const texts = asWritten(sample, usual.proposal.texts)
  const written = texts && (await read(texts))
  return written && written.found.deviation < usual.found.deviation ? written : usual
}
