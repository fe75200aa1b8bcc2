import { type BandScale, bandOf, RISK_BANDS, type RiskBand } from '../../scoring/bands.js'

/** A share below this counts as this, so that an empty band does not make the index infinite. */
const LEAST_SHARE = 1e-4
/** Fewer rows leave bands empty by chance. */
const FEWEST_ROWS = 100
/** Fewer known outcomes in a band say nothing about its default rate. */
const FEWEST_OUTCOMES = 20

interface Scored {
  readonly probability: number
  readonly defaulted: boolean | undefined
}

/** The share of probabilities in each band, T1 to T8. */
export function bandSharesOf(probabilities: readonly number[], scale: BandScale): number[] {
  const counts = new Map<RiskBand, number>()
  for (const probability of probabilities) {
    const band = bandOf(probability, scale)
    counts.set(band, (counts.get(band) ?? 0) + 1)
  }
  return RISK_BANDS.map(band => (counts.get(band) ?? 0) / probabilities.length)
}

/** The population stability index of two distributions over the same bands: 0 where they are the same, above 0.25 a great shift. */
export function stabilityIndex(before: readonly number[], after: readonly number[]): number {
  return before.reduce((sum, share, i) => {
    const [from, to] = [share, after[i] ?? 0].map(part => Math.max(part, LEAST_SHARE)) as [number, number]
    return sum + (to - from) * Math.log(to / from)
  }, 0)
}

/** Sentences on bands that no row reaches, and on bands with a lower default rate than the one below them. */
export function bandWarnings(rows: readonly Scored[], scale: BandScale): string[] {
  const warnings: string[] = []
  const shares = bandSharesOf(
    rows.map(({ probability }) => probability),
    scale,
  )
  const empty = RISK_BANDS.filter((_, i) => shares[i] === 0)
  if (rows.length >= FEWEST_ROWS && empty.length > 0) {
    warnings.push(`no row is in ${empty.join(', ')}; look over the cut-offs of the bands.`)
  }
  const rates = defaultRates(rows, scale)
  for (const [i, { band, rate }] of rates.entries()) {
    const below = rates[i - 1]
    if (!below || rate >= below.rate) continue
    warnings.push(`fewer loans defaulted in ${band} (${percent(rate)}) than in ${below.band} (${percent(below.rate)}).`)
  }
  return warnings
}

function defaultRates(rows: readonly Scored[], scale: BandScale): { band: RiskBand; rate: number }[] {
  return RISK_BANDS.flatMap(band => {
    const known = rows.filter(({ probability, defaulted }) => defaulted !== undefined && bandOf(probability, scale) === band)
    if (known.length < FEWEST_OUTCOMES) return []
    return [{ band, rate: known.filter(({ defaulted }) => defaulted).length / known.length }]
  })
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`
}
