import type { AdmissionReport } from './admissionReport.js'

export type Quality = NonNullable<AdmissionReport['quality']>

/** A probability that a model gave, and what became of the loan. */
export interface Judged {
  readonly probability: number
  readonly defaulted: boolean
}

/** With fewer rows the figures say nothing. */
const FEWEST_ROWS = 50

/**
 * How well probabilities separate loans that defaulted from the others: area under the ROC curve with ties counted half, greatest
 * distance of the two distributions (Kolmogorov-Smirnov), Gini coefficient, and mean squared error (Brier score). Undefined where there
 * are too few rows, or only one of the two outcomes.
 */
export function qualityOf(rows: readonly Judged[]): Quality | undefined {
  const bad = rows.filter(({ defaulted }) => defaulted).length
  const good = rows.length - bad
  if (rows.length < FEWEST_ROWS || bad === 0 || good === 0) return undefined
  let pairs = 0
  let ks = 0
  let badBelow = 0
  let goodBelow = 0
  for (const { bads, goods } of tiesOf(rows)) {
    pairs += bads * (goodBelow + goods / 2)
    badBelow += bads
    goodBelow += goods
    ks = Math.max(ks, Math.abs(goodBelow / good - badBelow / bad))
  }
  const auc = pairs / (bad * good)
  const squares = rows.reduce((sum, { probability, defaulted }) => sum + (probability - Number(defaulted)) ** 2, 0)
  return { rows: rows.length, auc, ks, gini: 2 * auc - 1, brier: squares / rows.length }
}

/** How many of each outcome have the same probability, from the lowest to the highest. */
function tiesOf(rows: readonly Judged[]): Iterable<{ bads: number; goods: number }> {
  const ties = new Map<number, { bads: number; goods: number }>()
  for (const { probability, defaulted } of [...rows].sort((a, b) => a.probability - b.probability)) {
    const tie = ties.get(probability) ?? { bads: 0, goods: 0 }
    if (defaulted) tie.bads++
    else tie.goods++
    ties.set(probability, tie)
  }
  return ties.values()
}
