import { describe, expect, it } from 'vitest'
import { bandSharesOf, bandWarnings, stabilityIndex } from '../../../../src/releases/admission/bandShares.js'
import { qualityOf } from '../../../../src/releases/admission/quality.js'
import type { BandScale } from '../../../../src/scoring/bands.js'

const SCALE: BandScale = { cutoffs: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], highRiskFrom: 'T7' }
const judged = (probability: number, defaulted: boolean) => ({ probability, defaulted })
const repeated = <Row>(count: number, row: Row): Row[] => Array.from({ length: count }, () => row)

describe('the quality of probabilities', () => {
  // Compared with scikit-learn 1.6: roc_auc_score, roc_curve (largest tpr - fpr), brier_score_loss.
  it('agrees with other programs, ties counted half', () => {
    const rows = Array.from({ length: 60 }, (_, i) => judged(Math.round(((i * 37) % 60) / 3) / 20, (i * 7) % 11 < 4))
    expect(qualityOf(rows)).toEqual({
      rows: 60,
      auc: expect.closeTo(0.41746411483253587, 12),
      ks: expect.closeTo(0.1842105263157895, 12),
      gini: expect.closeTo(2 * 0.41746411483253587 - 1, 12),
      brier: expect.closeTo(0.3704166666666666, 12),
    })
  })

  it('is perfect, or its contrary', () => {
    const good = repeated(30, judged(0.1, false))
    expect(qualityOf([...good, ...repeated(30, judged(0.9, true))])).toMatchObject({ auc: 1, ks: 1, gini: 1 })
    expect(qualityOf([...good, ...repeated(30, judged(0.05, true))])).toMatchObject({ auc: 0, gini: -1 })
    expect(qualityOf([...good, ...repeated(30, judged(0.1, true))])).toMatchObject({ auc: 0.5, ks: 0, gini: 0 })
  })

  it('is not told of few rows, or of one outcome alone', () => {
    expect(qualityOf([...repeated(48, judged(0.1, false)), judged(0.9, true)])).toBeUndefined()
    expect(qualityOf(repeated(100, judged(0.1, false)))).toBeUndefined()
  })
})

describe('the bands of scored rows', () => {
  const row = (probability: number, defaulted?: boolean) => ({ probability, defaulted })

  it('have shares, and an index of how far they moved', () => {
    const even = bandSharesOf([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 1], SCALE)
    expect(even).toEqual(repeated(8, 1 / 8))
    expect(stabilityIndex(even, even)).toBe(0)
    const halves = [0.5, 0.5, 0, 0, 0, 0, 0, 0]
    // 2 (1/2 - 1/8) ln 4 + 6 (1e-4 - 1/8) ln 8e-4
    expect(stabilityIndex(even, halves)).toBeCloseTo(0.75 * Math.log(4) + 6 * (1e-4 - 0.125) * Math.log(8e-4), 12)
  })

  it('are told where no row reaches them, if there are rows enough', () => {
    const rows = repeated(100, row(0.05))
    expect(bandWarnings(rows, SCALE)).toEqual(['no row is in T2, T3, T4, T5, T6, T7, T8; look over the cut-offs of the bands.'])
    expect(bandWarnings(rows.slice(1), SCALE)).toEqual([])
  })

  it('are told where fewer loans defaulted in a higher one', () => {
    const below = [...repeated(20, row(0.05, false)), ...repeated(5, row(0.05, true))]
    const above = [...repeated(20, row(0.15, false)), ...repeated(1, row(0.15, true))]
    expect(bandWarnings([...below, ...above], SCALE)).toEqual(['fewer loans defaulted in T2 (4.8 %) than in T1 (20.0 %).'])
    expect(bandWarnings([...below, ...above.slice(2)], SCALE)).toEqual([])
  })
})
