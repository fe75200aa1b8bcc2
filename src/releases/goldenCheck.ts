import type { OnnxModel } from '../scoring/onnx/onnxModel.js'
import type { GoldenRow } from './goldenRows.js'
import { saidBy } from './runtimeSentence.js'

/** The most by which float32 inputs and sums may differ from the doubles of the model's own library. */
const TOLERANCE = 1e-5

const ROWS_A_RUN = 256
const ROWS_ALONE = 8

type Runs = Pick<OnnxModel, 'run'>

/** Scores the golden rows. Returns sentences that say where a graph gives other probabilities than the model's own library. */
export async function goldenProblems(model: Runs, rows: readonly GoldenRow[]): Promise<string[]> {
  try {
    const answers: number[] = []
    for (let at = 0; at < rows.length; at += ROWS_A_RUN) {
      answers.push(...(await model.run(rows.slice(at, at + ROWS_A_RUN).map(({ features }) => features))))
    }
    const deviations = deviationsOf(rows, answers)
    return deviations.length > 0 ? deviations : await neighbourProblems(model, rows, answers)
  } catch (error) {
    return [`the graph cannot score the golden rows: ${saidBy(error)}.`]
  }
}

function deviationsOf(rows: readonly GoldenRow[], answers: readonly number[]): string[] {
  const off = rows.map(({ probability }, i) => distance(probability, answers[i] as number))
  const wrong = off.filter(by => by > TOLERANCE).length
  if (wrong === 0) return []
  const worst = off.reduce((worst, by, i) => (by > (off[worst] as number) ? i : worst), 0)
  const { line, probability } = rows[worst] as GoldenRow
  return [
    `${wrong} of ${rows.length} golden rows have another probability than the model's own library gave. The worst is line ${line}: ` +
      `expected ${probability}, got ${answers[worst]}. The tolerance is ${TOLERANCE}. Look for a wrong output column, ` +
      'columns in another order, or a fault of the exporter.',
  ]
}

/** A probability must not depend on which applications happen to share a run. */
async function neighbourProblems(model: Runs, rows: readonly GoldenRow[], answers: readonly number[]): Promise<string[]> {
  for (const [i, { line, features }] of rows.slice(0, ROWS_ALONE).entries()) {
    const [alone] = await model.run([features])
    if (distance(answers[i] as number, alone as number) > TOLERANCE) {
      return [`the probability of golden row ${line} depends on the rows beside it: ${alone} alone, ${answers[i]} among others.`]
    }
  }
  return []
}

/** Infinite where one of them is no number. */
function distance(a: number, b: number): number {
  const by = Math.abs(a - b)
  return Number.isNaN(by) ? Number.POSITIVE_INFINITY : by
}
