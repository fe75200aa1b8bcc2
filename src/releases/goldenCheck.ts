import type { OnnxModel } from '../scoring/onnx/onnxModel.js'
import { oneStepAway } from './float32Steps.js'
import type { GoldenRow } from './goldenRows.js'
import { saidBy } from './runtimeSentence.js'

/** The most by which float32 inputs and sums may differ from the doubles of the model's own library. */
const TOLERANCE = 1e-5
/**
 * A library that compares in doubles and a graph that compares in float32 may take different ways at a threshold. So many rows of a
 * hundred may, and at least one row.
 */
const THRESHOLD_ROWS_PERCENT = 1

const ROWS_A_RUN = 256
const MOST_SHOWN = 5

type Runs = Pick<OnnxModel, 'run'>

export interface GoldenFindings {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

interface Deviation {
  readonly row: GoldenRow
  readonly answer: number
  readonly by: number
}

/** Scores the golden rows. The findings are sentences that say where a graph gives other probabilities than the model's own library. */
export async function checkGoldenRows(model: Runs, rows: readonly GoldenRow[]): Promise<GoldenFindings> {
  try {
    const answers: number[] = []
    for (let at = 0; at < rows.length; at += ROWS_A_RUN) {
      answers.push(...(await model.run(rows.slice(at, at + ROWS_A_RUN).map(({ features }) => features))))
    }
    const deviations = deviationsOf(rows, answers)
    return deviations.length === 0 ? { problems: [], warnings: [] } : await judge(model, deviations, rows.length)
  } catch (error) {
    return { problems: [`the graph cannot score the golden rows: ${saidBy(error)}.`], warnings: [] }
  }
}

async function judge(model: Runs, deviations: readonly Deviation[], rows: number): Promise<GoldenFindings> {
  const allowed = Math.max(1, Math.floor((rows * THRESHOLD_ROWS_PERCENT) / 100))
  const atThreshold = deviations.length <= allowed ? await countAtThreshold(model, deviations) : 0
  if (atThreshold < deviations.length) return { problems: [disagreement(deviations, rows, atThreshold)], warnings: [] }
  const says =
    `${shown(deviations)}: there the graph takes another way than the model's own library, one float32 step from a threshold. ` +
    `So many rows may (${allowed} of ${rows}). Export thresholds rounded down to float32 to avoid it.`
  return { problems: [], warnings: [says] }
}

function disagreement(deviations: readonly Deviation[], rows: number, atThreshold: number): string {
  const besides = atThreshold > 0 ? ` ${atThreshold} of them are one float32 step from a threshold.` : ''
  return (
    `${deviations.length} of ${rows} golden rows have another probability than the model's own library gave: ${shown(deviations)}. ` +
    `The tolerance is ${TOLERANCE}.${besides} Look for a wrong output column, columns in another order, or a fault of the exporter.`
  )
}

/** The worst first. */
function shown(deviations: readonly Deviation[]): string {
  const worst = [...deviations].sort((a, b) => b.by - a.by).slice(0, MOST_SHOWN)
  const more = deviations.length - worst.length
  const texts = worst.map(({ row, answer }) => `line ${row.line} expected ${row.probability}, got ${answer}`)
  return texts.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

/** How many of the rows get the right probability where one of their numbers moves by one float32 step. */
async function countAtThreshold(model: Runs, deviations: readonly Deviation[]): Promise<number> {
  let count = 0
  for (const { row } of deviations) {
    const beside = oneStepAway(row.features)
    const answers = beside.length > 0 ? await model.run(beside) : []
    if (answers.some(answer => distance(answer, row.probability) <= TOLERANCE)) count++
  }
  return count
}

function deviationsOf(rows: readonly GoldenRow[], answers: readonly number[]): Deviation[] {
  return rows.flatMap((row, i) => {
    const answer = answers[i] as number
    const by = distance(row.probability, answer)
    return by > TOLERANCE ? [{ row, answer, by }] : []
  })
}

/** Infinite where one of them is no number. */
function distance(a: number, b: number): number {
  const by = Math.abs(a - b)
  return Number.isNaN(by) ? Number.POSITIVE_INFINITY : by
}
