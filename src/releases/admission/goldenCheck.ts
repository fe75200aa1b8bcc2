import type { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { oneStepAway } from './float32Steps.js'
import type { GoldenRow } from './goldenRows.js'

/**
 * The most by which float32 inputs and sums may differ from the doubles of the model's own library, and those of half precision, whose
 * numbers just below 1 are 0.0005 apart.
 */
const TOLERANCE = { single: 1e-5, half: 1e-3 } as const
/**
 * A library that compares in doubles and a graph that compares in float32 may take different ways at a threshold. So many rows of a
 * hundred may, and at least one row.
 */
const THRESHOLD_ROWS_PERCENT = 1

const ROWS_A_RUN = 256
const MOST_SHOWN = 5

type Runs = Pick<OnnxModel, 'run'> & Partial<Pick<OnnxModel, 'isHalfPrecision'>>

export interface GoldenFindings {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  /** What the graph gives for each row; none where it fails. */
  readonly answers: readonly number[]
  readonly worstDeviation: number
}

interface Deviation {
  readonly row: GoldenRow
  readonly answer: number
  readonly by: number
}

/** Scores the golden rows. The findings are sentences that say where a graph gives other probabilities than the model's own library. */
export async function checkGoldenRows(model: Runs, rows: readonly GoldenRow[]): Promise<GoldenFindings> {
  try {
    const answers = await scoreRows(model, rows)
    const deviations = deviationsOf(rows, answers)
    const wrong = deviations.filter(({ by }) => by > toleranceOf(model))
    const judged = wrong.length === 0 ? { problems: [], warnings: [] } : await judge(model, wrong, rows.length)
    return { ...judged, answers, worstDeviation: deviations.reduce((worst, { by }) => Math.max(worst, by), 0) }
  } catch (error) {
    const problem = `the graph cannot score the golden rows: ${saidBy(error)}.`
    return { problems: [problem], warnings: [], answers: [], worstDeviation: 0 }
  }
}

/** The most by which an answer may be off. */
export function toleranceOf({ isHalfPrecision }: Partial<Pick<OnnxModel, 'isHalfPrecision'>>): number {
  return isHalfPrecision ? TOLERANCE.half : TOLERANCE.single
}

/** What a model answers for each of many rows. */
export async function scoreRows(model: Runs, rows: readonly GoldenRow[]): Promise<number[]> {
  const answers: number[] = []
  for (let at = 0; at < rows.length; at += ROWS_A_RUN) {
    for (const answer of await model.run(rows.slice(at, at + ROWS_A_RUN).map(({ features }) => features))) answers.push(answer)
  }
  return answers
}

async function judge(
  model: Runs,
  deviations: readonly Deviation[],
  rows: number,
): Promise<Pick<GoldenFindings, 'problems' | 'warnings'>> {
  const allowed = Math.max(1, Math.floor((rows * THRESHOLD_ROWS_PERCENT) / 100))
  const atThreshold = deviations.length <= allowed ? await countAtThreshold(model, deviations) : 0
  if (atThreshold < deviations.length)
    return { problems: [disagreement(deviations, rows, atThreshold, toleranceOf(model))], warnings: [] }
  const says =
    `${shown(deviations)}: there the graph takes another way than the model's own library, one float32 step from a threshold. ` +
    `So many rows may (${allowed} of ${rows}). Export thresholds rounded down to float32 to avoid it.`
  return { problems: [], warnings: [says] }
}

function disagreement(deviations: readonly Deviation[], rows: number, atThreshold: number, tolerance: number): string {
  const besides = atThreshold > 0 ? ` ${atThreshold} of them are one float32 step from a threshold.` : ''
  return (
    `${deviations.length} of ${rows} golden rows have another probability than the model's own library gave: ${shown(deviations)}. ` +
    `The tolerance is ${tolerance}.${besides} Look for a wrong output column, columns in another order, or a fault of the exporter.`
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
    if (answers.some(answer => distance(answer, row.probability) <= toleranceOf(model))) count++
  }
  return count
}

function deviationsOf(rows: readonly GoldenRow[], answers: readonly number[]): Deviation[] {
  return rows.map((row, i) => {
    const answer = answers[i] as number
    return { row, answer, by: distance(row.probability, answer) }
  })
}

/** Infinite where one of them is no number. */
function distance(a: number, b: number): number {
  const by = Math.abs(a - b)
  return Number.isNaN(by) ? Number.POSITIVE_INFINITY : by
}
