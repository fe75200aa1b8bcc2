import { and, eq, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { AlertLog, FeedQuery } from '../../alerts/alertLog.js'
import type { HighRiskAlert } from '../../scoring/prediction.js'
import type { Database } from '../postgres/database.js'
import { POSITION_OF_NOW } from '../postgres/feedEpoch.js'
import { alerts } from '../tables/alerts.js'
import { predictions } from '../tables/predictions.js'
import { badAlertCursor, encodeAlertCursor, expiredAlertCursor, type FeedPosition, parseAlertCursor } from './alertCursor.js'
import {
  type Acknowledgement,
  type AlertFilter,
  acknowledgeStatement,
  before as beforePosition,
  behind,
  cursorOf,
  ofTenant,
  refusalOf,
  refusalOfGiven,
  SETTLED,
  selectAlerts,
  toAlerts,
  unindexed,
} from './alertQuery.js'

// Rows that may be read for each row of a page. When a filter skips more, the page ends there.
const READ_FACTOR = 50
type Ask = Database['read']

const NOT_REFUSED = sql<string | null>`null`

export interface AlertPageQuery {
  readonly tenant: string
  readonly filter: AlertFilter
  /** Rows of the page, from its beginning, or from its end when `backward`. */
  readonly size: number
  readonly backward: boolean
  /** Both exclusive. */
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export interface AlertPage {
  /** Oldest first. */
  readonly entries: readonly HighRiskAlert[]
  /** Whether alerts follow in the direction of reading, or may follow: matching alerts can be too far off to look for. */
  readonly hasMore: boolean
  /** The last alert that was read, whether it matches or not, when the page ended there although more may match. */
  readonly reached?: string
}

/** The durable feed of high-risk scores, in its order. */
export class AlertStore implements AlertLog {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The cursor of the current position: every alert that commits from now on comes after it. */
  async now(): Promise<string> {
    const rows = await this.#database.read(
      ({ sql }) => sql<(FeedPosition & { tag: string })[]>`
        select epoch, tag, xid::text, seq::text from ${sql.unsafe(POSITION_OF_NOW)} now`,
    )
    const [now] = rows
    if (!now) throw new Error('The alert feed has no epoch: the database has not been migrated.')
    return encodeAlertCursor(now, [{ ordinal: now.epoch, tag: now.tag }])
  }

  /**
   * The alerts that follow a cursor, oldest first.
   * @throws AppError BAD_CURSOR for a cursor of another feed, CURSOR_EXPIRED when alerts after it have been removed
   */
  async read({ after, tenant, limit }: FeedQuery): Promise<HighRiskAlert[]> {
    const position = parseAlertCursor(after)
    const where = and(tenant === undefined ? undefined : ofTenant(tenant), behind(position), SETTLED)
    const refusal = refusalOf(position)
    // The reader of all tenants serves every live subscriber, and may not wait behind one that catches up.
    const ask: Ask = tenant === undefined ? work => this.#database.readFeed(work) : work => this.#database.read(work)
    const rows = await ask(({ db }) => selectAlerts(db, { where, rows: limit, limit, refusal }))
    await this.#refuse(rows, refusal, ask)
    const found = toAlerts(rows)
    const last = rows.at(-1)
    // A reader takes a short page for the end of the feed: alerts without predictions must not shorten it.
    if (!last || rows.length < limit || found.length === limit) return found
    return [...found, ...(await this.read({ after: cursorOf(last), limit: limit - found.length, ...(tenant && { tenant }) }))]
  }

  /**
   * One page of the feed. When a filter skips many alerts, the page is short or empty, and the next one goes on from the last
   * alert that was read.
   * @throws AppError BAD_CURSOR, CURSOR_EXPIRED
   */
  async page({ tenant, filter, size, backward, after, before }: AlertPageQuery): Promise<AlertPage> {
    const [from, to] = [after, before].map(cursor => (cursor === undefined ? undefined : parseAlertCursor(cursor)))
    const where = and(ofTenant(tenant, filter), from && behind(from), to && beforePosition(to), SETTLED)
    const matching = and(isNotNull(predictions.id), unindexed(filter))
    const refusal = [from, to].reduce(
      (sum, given) => (given ? sql`coalesce(${sum}, ${refusalOfGiven(given)})` : sum),
      NOT_REFUSED,
    )
    const rows = READ_FACTOR * size
    const found = await this.#database.read(({ db }) =>
      selectAlerts(db, { where, rows, backward, matching, limit: size + 1, refusal }),
    )
    await this.#refuse(found, refusal, work => this.#database.read(work))
    const matches = found.filter(row => row.matches)
    const last = matches.length > size ? undefined : found.find(row => row.isLast)
    const page = toAlerts(matches.slice(0, size))
    return {
      entries: backward ? page.reverse() : page,
      hasMore: last !== undefined || matches.length > size,
      ...(last && { reached: cursorOf(last) }),
    }
  }

  /** Acknowledges and returns an alert; the first acknowledgement stays. Undefined when the tenant has no alert with this id. */
  async acknowledge(acknowledgement: Acknowledgement): Promise<HighRiskAlert | undefined> {
    const { tenant, id } = acknowledgement
    const locked = await this.#database.write(({ sql }) => acknowledgeStatement(sql, acknowledgement))
    if (locked.length === 0) return undefined
    const where = and(ofTenant(tenant), eq(alerts.predictionId, id))
    const rows = await this.#database.read(({ db }) => selectAlerts(db, { where, rows: 1, limit: 1, refusal: NOT_REFUSED }))
    return toAlerts(rows)[0]
  }

  /** Whether an alert follows the cursor that cannot be delivered yet, because an older transaction is still open. */
  async isHeldBack(after: string): Promise<boolean> {
    const { epoch, xid, seq } = parseAlertCursor(after)
    const rows = await this.#database.readFeed(
      ({ sql }) => sql<{ waiting: boolean }[]>`
        select exists (select from alerts where (epoch, xid, seq) > (${epoch}::int, ${xid}::xid8, ${seq}::bigint)) as waiting`,
    )
    return rows[0]?.waiting ?? false
  }

  /** The session with the oldest open writing transaction on this server: the one that the feed waits for. */
  async holder(): Promise<string> {
    const rows = await this.#database.readFeed(
      ({ sql }) => sql<{ pid: number; application: string; database: string }[]>`
        select pid, application_name as application, datname as database from pg_stat_activity
        where backend_xid is not null order by age(backend_xid) desc limit 1`,
    )
    const [session] = rows
    if (!session) return 'a prepared transaction, or a session that this user may not see'
    return `pid ${session.pid} (${session.application || 'without a name'}) in database ${session.database}`
  }

  /**
   * Whether a client may go on from this cursor.
   * @throws AppError BAD_CURSOR when it is not of this feed, or ahead of it, as after a restore of an older backup; CURSOR_EXPIRED
   */
  async check(cursor: string): Promise<void> {
    await this.#refuse([], refusalOfGiven(parseAlertCursor(cursor)), work => this.#database.read(work))
  }

  /** The refusal is read with the rows, or after none were found: alerts removed in between are never a silent gap. */
  async #refuse(rows: readonly { refusal: string | null }[], refusal: SQL<string | null>, ask: Ask): Promise<void> {
    const [first = { refusal: null }] =
      rows.length > 0 ? rows : await ask(({ db }) => db.select({ refusal }).from(sql`(values (1)) one`))
    if (first.refusal === 'CURSOR_EXPIRED') throw expiredAlertCursor()
    if (first.refusal === 'BAD_CURSOR') throw badAlertCursor()
  }
}
