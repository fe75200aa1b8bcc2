import type { HighRiskAlert } from '../scoring/prediction.js'

export interface FeedQuery {
  /** Exclusive. */
  readonly after: string
  /** Only of this tenant; of all without it. */
  readonly tenant?: string
  readonly limit: number
}

/** The durable log behind the feed. Cursors compare as texts in the order of the log. */
export interface AlertLog {
  /** The place behind the last alert of the log. */
  now(): Promise<string>
  /** Alerts in the order of the log. @throws AppError BAD_CURSOR, CURSOR_EXPIRED where `after` is no place of the log any more */
  read(query: FeedQuery): Promise<HighRiskAlert[]>
  /** Whether an alert behind this place waits for an open transaction. */
  isHeldBack(after: string): Promise<boolean>
  /** Who holds the log back, for the operator: the database session, by pid and name. */
  holder(): Promise<string>
  /** @throws AppError BAD_CURSOR, CURSOR_EXPIRED where a client cannot go on from this place */
  check(cursor: string): Promise<void>
}
