import { badInput, inputProblem } from '../errors.js'
import { RISK_BANDS, type RiskBand } from '../scoring/bands.js'
import { bucketStarts, clockOf, MAX_BUCKETS, type SummaryInterval } from './buckets.js'

// The API counts in Int.
const LARGEST_INT = 2 ** 31 - 1

/** Half-open: from <= t < to. */
export interface SummaryQuery {
  readonly from: Date
  readonly to: Date
  readonly interval: SummaryInterval
  /** Name of an IANA time zone, whose clock the intervals follow. */
  readonly timeZone: string
  /** Absent: all models. */
  readonly model?: string
}

/** The predictions of one band in one bucket. */
export interface BandCount {
  /** Index among the starts, from 0. */
  readonly bucket: number
  readonly band: RiskBand
  readonly predictions: number
  readonly probabilitySum: number
  readonly highRisk: number
  /** Predictions with a recorded outcome, and those of them that defaulted. */
  readonly outcomes: number
  readonly defaults: number
}

export interface CountQuery {
  readonly from: Date
  readonly to: Date
  /** Rising; the first is not after `from`, the last before `to`. */
  readonly starts: readonly Date[]
  readonly model?: string
}

/** Counts predictions, exactly and at once. */
export interface Statistics {
  /** The counts come in any order. Several counts of one band in one bucket add up. */
  count(tenant: string, query: CountQuery): Promise<BandCount[]>
}

export interface BandShare {
  readonly band: RiskBand
  readonly count: number
  readonly share: number
}

interface Figures {
  readonly count: number
  /** Null without predictions. */
  readonly meanProbability: number | null
  readonly highRiskRate: number | null
  /** The share of defaults among the predictions with an outcome; null without any. */
  readonly observedDefaultRate: number | null
  readonly bands: BandShare[]
}

export interface RiskSummary extends Omit<Figures, 'count'> {
  readonly total: number
  readonly buckets: (Figures & { readonly start: Date })[]
}

/** Summarises predictions and their outcomes by time. */
export class RiskSummaries {
  readonly #statistics: Statistics

  constructor(statistics: Statistics) {
    this.#statistics = statistics
  }

  /** @throws AppError BAD_USER_INPUT for an empty range, an unknown time zone or too many buckets */
  async summarise(tenant: string, query: SummaryQuery): Promise<RiskSummary> {
    const starts = startsOf(query)
    const { from, to, model } = query
    const counts = await this.#statistics.count(tenant, { from, to, starts, ...(model !== undefined && { model }) })
    const byBucket = starts.map((): BandCount[] => [])
    for (const count of counts) byBucket[count.bucket]?.push(count)
    const { count: total, ...figures } = figuresOf(counts)
    return { total, ...figures, buckets: starts.map((start, i) => ({ start, ...figuresOf(byBucket[i] ?? []) })) }
  }
}

function startsOf({ from, to, interval, timeZone }: SummaryQuery): Date[] {
  if (from >= to) throw badInput(inputProblem('to must be after from.', 'to'))
  const clock = clockOf(timeZone)
  if (!clock) throw badInput(inputProblem('timeZone must be the name of an IANA time zone, such as Europe/Madrid.', 'timeZone'))
  const starts = bucketStarts(from, to, interval, clock, MAX_BUCKETS)
  if (starts.length <= MAX_BUCKETS) return starts
  const longer = interval === 'MONTH' ? '' : ' or a longer interval'
  throw badInput(inputProblem(`A summary has at most ${MAX_BUCKETS} buckets. Ask for a shorter range${longer}.`, 'interval'))
}

function figuresOf(counts: readonly BandCount[]): Figures {
  const sum = (figure: Exclude<keyof BandCount, 'band'>, rows = counts) => rows.reduce((total, row) => total + row[figure], 0)
  const count = sum('predictions')
  const bands = RISK_BANDS.map(band => {
    const inBand = sum(
      'predictions',
      counts.filter(row => row.band === band),
    )
    return { band, count: Math.min(inBand, LARGEST_INT), share: rate(inBand, count) ?? 0 }
  })
  return {
    count: Math.min(count, LARGEST_INT),
    meanProbability: rate(sum('probabilitySum'), count),
    highRiskRate: rate(sum('highRisk'), count),
    observedDefaultRate: rate(sum('defaults'), sum('outcomes')),
    bands,
  }
}

function rate(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
