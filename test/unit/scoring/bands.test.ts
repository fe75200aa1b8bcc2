import { describe, expect, it } from 'vitest'
import {
  type BandScale,
  bandIntervals,
  bandNumber,
  bandOf,
  bandOfNumber,
  isHighRisk,
  RISK_BANDS,
} from '../../../src/scoring/bands.js'
import { randomFrom } from '../../support/random.js'

const SCALE: BandScale = { cutoffs: [0.03, 0.06, 0.1, 0.15, 0.22, 0.35, 0.6], highRiskFrom: 'T7' }

/** The next double above or below a positive one. */
function neighbour(value: number, steps: 1 | -1): number {
  const bits = new BigInt64Array(Float64Array.of(value).buffer)
  bits[0] = (bits[0] ?? 0n) + BigInt(steps)
  return new Float64Array(bits.buffer)[0] ?? Number.NaN
}

describe('a risk band', () => {
  it.each(SCALE.cutoffs.map((cutoff, i) => [cutoff, RISK_BANDS[i], RISK_BANDS[i + 1]] as const))(
    'changes exactly at %d from %s to %s',
    (cutoff, below, above) => {
      expect(bandOf(neighbour(cutoff, -1), SCALE)).toBe(below)
      expect(bandOf(cutoff, SCALE)).toBe(above)
      expect(bandOf(neighbour(cutoff, 1), SCALE)).toBe(above)
    },
  )

  it('is T1 at 0 and T8 at 1', () => {
    expect(bandOf(0, SCALE)).toBe('T1')
    expect(bandOf(-0, SCALE)).toBe('T1')
    expect(bandOf(1, SCALE)).toBe('T8')
  })

  it('is high risk from the band that the scale names', () => {
    expect(RISK_BANDS.filter(band => isHighRisk(band, SCALE))).toEqual(['T7', 'T8'])
    expect(RISK_BANDS.filter(band => isHighRisk(band, { ...SCALE, highRiskFrom: 'T2' }))).toEqual(RISK_BANDS.slice(1))
    expect(RISK_BANDS.filter(band => isHighRisk(band, { ...SCALE, highRiskFrom: 'T8' }))).toEqual(['T8'])
  })

  it('is the band whose published interval holds the probability, and never falls as it rises, on any scale', () => {
    const random = randomFrom(1)
    for (let round = 0; round < 50; round++) {
      const cutoffs = Array.from({ length: 7 }, () => 0.001 + random() * 0.998).sort((a, b) => a - b)
      const scale: BandScale = { cutoffs, highRiskFrom: 'T7' }
      const grid = [...Array.from({ length: 101 }, (_, i) => i / 100), ...cutoffs].sort((a, b) => a - b)
      let previous = 0
      for (const probability of grid) {
        const band = bandOf(probability, scale)
        const holding = bandIntervals(scale).filter(
          ({ from, to }) => from <= probability && (probability < to || (to === 1 && probability === 1)),
        )
        expect(holding.map(interval => interval.band)).toEqual([band])
        expect(RISK_BANDS.indexOf(band)).toBeGreaterThanOrEqual(previous)
        previous = RISK_BANDS.indexOf(band)
      }
    }
  })
})

it('numbers the bands from 1', () => {
  expect(RISK_BANDS.map(bandNumber)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(RISK_BANDS.map(bandNumber).map(bandOfNumber)).toEqual(RISK_BANDS)
})
