/** Risk groups from the lowest probability of default to the highest. */
export const RISK_BANDS = ['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8'] as const
export type RiskBand = (typeof RISK_BANDS)[number]

/** The number of a band in the database: T1 is 1. */
export function bandNumber(band: RiskBand): number {
  return RISK_BANDS.indexOf(band) + 1
}

export function bandOfNumber(number: number): RiskBand {
  return RISK_BANDS[number - 1] as RiskBand
}

/** Seven rising cut-offs divide the eight half-open intervals of probability; T8 includes 1. */
export interface BandScale {
  readonly cutoffs: readonly number[]
  readonly highRiskFrom: RiskBand
}

/** The band whose interval holds `probability`, a number in [0, 1]: a probability at a cut-off belongs to the band above it. */
export function bandOf(probability: number, { cutoffs }: BandScale): RiskBand {
  const above = cutoffs.findIndex(cutoff => probability < cutoff)
  return RISK_BANDS[above === -1 ? RISK_BANDS.length - 1 : above] as RiskBand
}

export function isHighRisk(band: RiskBand, { highRiskFrom }: BandScale): boolean {
  return RISK_BANDS.indexOf(band) >= RISK_BANDS.indexOf(highRiskFrom)
}

/** Each band with its interval of probability, from T1 to T8. */
export function bandIntervals({ cutoffs }: BandScale): { band: RiskBand; from: number; to: number }[] {
  const edges = [0, ...cutoffs, 1]
  return RISK_BANDS.map((band, i) => ({ band, from: edges[i] as number, to: edges[i + 1] as number }))
}
