import type { RiskBand } from '../../scoring/bands.js'
import type { Prediction } from '../../scoring/prediction.js'

export interface Range<T> {
  /** Inclusive. */
  readonly from?: T | undefined
  /** Exclusive. */
  readonly to?: T | undefined
}

export interface HistoryFilter {
  readonly applicantId?: string | undefined
  readonly bands?: readonly RiskBand[] | undefined
  readonly highRisk?: boolean | undefined
  readonly model?: string | undefined
  readonly modelVersion?: string | undefined
  readonly probability?: Range<number> | undefined
  readonly createdAt?: Range<Date> | undefined
  readonly hasOutcome?: boolean | undefined
  readonly channel?: string | undefined
}

export type HistoryOrder = 'CREATED_AT_DESC' | 'CREATED_AT_ASC' | 'PROBABILITY_DESC' | 'PROBABILITY_ASC'

export interface HistoryQuery {
  readonly filter: HistoryFilter
  readonly order: HistoryOrder
  /** Rows of the page, from its beginning, or from its end when `backward`. */
  readonly size: number
  readonly backward: boolean
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export interface HistoryPage {
  readonly entries: readonly { readonly cursor: string; readonly prediction: Prediction }[]
  /** Whether rows follow in the direction of reading. */
  readonly hasMore: boolean
}

/** A part of one applicant's predictions, newest first. */
export interface ApplicantQuery {
  readonly applicantId: string
  readonly size: number
  readonly after?: string | undefined
}

/** How many rows a filter leaves; when they are too many to count, the estimate of the Postgres planner. */
export interface HistoryTotal {
  readonly count: number
  readonly exact: boolean
}
