import type { HighRiskAlert } from '../scoring/prediction.js'

export interface FeedQuery {
  /** Exclusive. */
  readonly after: string
  /** Only alerts of this tenant; absent: of all tenants. */
  readonly tenant?: string
  readonly limit: number
}

/** The durable log behind the feed. Cursors compare as texts in the order of the log. */
export interface AlertLog {
  /** The position after the last alert of the log. */
  now(): Promise<string>
  /** Alerts in the order of the log. @throws AppError BAD_CURSOR, CURSOR_EXPIRED when `after` is no longer in the log */
  read(query: FeedQuery): Promise<HighRiskAlert[]>
  /** Whether an alert after this position waits for an open transaction. */
  isHeldBack(after: string): Promise<boolean>
  /** The database session that holds the log back, for the operator: its pid and name. */
  holder(): Promise<string>
  /** @throws AppError BAD_CURSOR, CURSOR_EXPIRED when a client cannot go on from this position */
  check(cursor: string): Promise<void>
}
