import { and, eq, sql } from 'drizzle-orm'
import type { HighRiskAlert } from '../scoring/prediction.js'
import { badAlertCursor, decodeAlertCursor, encodeAlertCursor } from './alertCursor.js'
import type { Database } from './database.js'
import { type FeedEpoch, feedEpochs } from './feedEpoch.js'
import { predictionColumns, toPrediction } from './predictionRow.js'
import { alerts, predictions } from './tables.js'

// Rows of the running cluster count only when no older transaction can still commit: else a reader would pass them by.
const SETTLED = sql`(${alerts.epoch} < (select max(ordinal) from feed_epochs) or ${alerts.xid} < pg_snapshot_xmin(pg_current_snapshot()))`

export interface FeedQuery {
  /** Exclusive. */
  readonly after: string
  /** Only of this tenant; of all without it. */
  readonly tenant?: string
  readonly limit: number
}

/** Reads the durable feed of high-risk scores, in its order. */
export class AlertStore {
  readonly #database: Database
  #epochs: readonly FeedEpoch[] = []

  constructor(database: Database) {
    this.#database = database
  }

  /** The cursor of now: whatever commits from here on comes after it. */
  async now(): Promise<string> {
    const rows = await this.#database.read(
      ({ sql }) => sql<{ epoch: number; xid: string }[]>`
        select max(ordinal) as epoch, pg_snapshot_xmin(pg_current_snapshot())::text as xid from feed_epochs`,
    )
    const { epoch, xid } = rows[0] as { epoch: number; xid: string }
    return encodeAlertCursor({ epoch, xid, seq: '0' }, await this.#epochsWith(epoch))
  }

  /** The alerts that follow a cursor, oldest first. BAD_CURSOR for one that is not of this feed. */
  async read({ after, tenant, limit }: FeedQuery): Promise<HighRiskAlert[]> {
    const { epoch, xid, seq } = await this.#decode(after)
    const rows = await this.#database.read(({ db }) =>
      db
        .select({
          epoch: alerts.epoch,
          xid: sql<string>`${alerts.xid}::text`,
          seq: sql<string>`${alerts.seq}::text`,
          raisedAt: alerts.raisedAt,
          prediction: predictionColumns,
        })
        .from(alerts)
        .innerJoin(predictions, and(eq(predictions.tenant, alerts.tenant), eq(predictions.id, alerts.predictionId)))
        .where(
          and(
            tenant === undefined ? undefined : eq(alerts.tenant, tenant),
            sql`(${alerts.epoch}, ${alerts.xid}, ${alerts.seq}) > (${epoch}::int, ${xid}::xid8, ${seq}::bigint)`,
            SETTLED,
          ),
        )
        .orderBy(alerts.epoch, alerts.xid, alerts.seq)
        .limit(limit),
    )
    const epochs = await this.#epochsWith(rows.at(-1)?.epoch ?? epoch)
    return rows.map(({ prediction, raisedAt, ...position }) => ({
      id: prediction.id,
      cursor: encodeAlertCursor(position, epochs),
      prediction: toPrediction(prediction),
      raisedAt,
    }))
  }

  /** Whether something follows the cursor that cannot be delivered yet, because an older transaction is still open. */
  async isHeldBack(after: string): Promise<boolean> {
    const { epoch, xid, seq } = await this.#decode(after)
    const rows = await this.#database.read(
      ({ sql }) => sql<{ waiting: boolean }[]>`
        select exists (select from alerts where (epoch, xid, seq) > (${epoch}::int, ${xid}::xid8, ${seq}::bigint)) as waiting`,
    )
    return rows[0]?.waiting ?? false
  }

  /** The session with the oldest open writing transaction on this server: the one that the feed waits for. */
  async holder(): Promise<string> {
    const rows = await this.#database.read(
      ({ sql }) => sql<{ pid: number; application: string; database: string }[]>`
        select pid, application_name as application, datname as database from pg_stat_activity
        where backend_xid is not null order by age(backend_xid) desc limit 1`,
    )
    const [session] = rows
    if (!session) return 'a prepared transaction, or a session that this user may not see'
    return `pid ${session.pid} (${session.application || 'without a name'}) in database ${session.database}`
  }

  /** @throws AppError BAD_CURSOR when the cursor is not of this feed, or ahead of it, as after a restore of an older backup */
  async check(cursor: string): Promise<void> {
    const { epoch, xid, seq } = await this.#decode(cursor)
    const rows = await this.#database.read(
      ({ sql }) => sql<{ ahead: boolean }[]>`
        select case when ${epoch}::int = (select max(ordinal) from feed_epochs)
          then ${xid}::xid8 > pg_snapshot_xmax(pg_current_snapshot())
          else not exists (select from alerts where epoch = ${epoch}::int and (xid, seq) >= (${xid}::xid8, ${seq}::bigint))
        end as ahead`,
    )
    if (rows[0]?.ahead) throw badAlertCursor()
  }

  async #decode(cursor: string) {
    return decodeAlertCursor(cursor, await this.#epochsWith(Number.parseInt(cursor.slice(0, 4), 16)))
  }

  /** Epochs are only ever added: read again only for one that is not known yet. */
  async #epochsWith(ordinal: number): Promise<readonly FeedEpoch[]> {
    const newest = this.#epochs.at(-1)?.ordinal ?? 0
    if (this.#epochs.length === 0 || ordinal > newest) {
      this.#epochs = await this.#database.read(({ sql }) => feedEpochs(sql))
    }
    return this.#epochs
  }
}
