import { and, asc, desc, eq, getTableColumns, inArray, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm'
import { bandNumber, type RiskBand } from '../../scoring/bands.js'
import type { HighRiskAlert } from '../../scoring/prediction.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Connections } from '../postgres/database.js'
import { EPOCH_HERE, SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { type PredictionRow, predictionColumns, toPrediction } from '../predictions/predictionRow.js'
import { alerts, OWNER_WHILE_OPEN } from '../tables/alerts.js'
import { predictions } from '../tables/predictions.js'
import { encodeAlertCursor, type FeedPosition, type GivenPosition } from './alertCursor.js'

export interface AlertFilter {
  readonly bands?: readonly RiskBand[] | undefined
  readonly model?: string | undefined
  readonly acknowledged?: boolean | undefined
}

interface AlertSelection {
  /** Which alerts to read, by their own columns, and how many at most. */
  readonly where: SQL | undefined
  readonly rows: number
  readonly backward?: boolean
  /** Which of them to return, by their predictions, and how many at most. The last one that may be read is always returned. */
  readonly matching?: SQL | undefined
  readonly limit: number
  /** An error code when the request must be refused, read in the same snapshot as the rows. */
  readonly refusal: SQL<string | null>
}

export const SETTLED = sql.raw(`("alerts"."epoch", "alerts"."xid") < ${SETTLED_BEFORE}`)

const PLACE = sql`(${alerts.epoch}, ${alerts.xid}, ${alerts.seq})`

export function behind(position: FeedPosition): SQL {
  return sql`${PLACE} > ${unforeseen(position)}`
}

export function before(position: FeedPosition): SQL {
  return sql`${PLACE} < ${unforeseen(position)}`
}

/**
 * A position that the planner does not know. If it knew, it would judge by the epoch alone, which is nearly always the same, and
 * expect nothing beyond the position. It would take any index then: for a quiet tenant it would read the alerts of all others.
 */
function unforeseen({ epoch, xid, seq }: FeedPosition): SQL {
  return sql`((select ${epoch}::int), (select ${xid}::xid8), (select ${seq}::bigint))`
}

/**
 * The alerts of a tenant, by the part of a filter that an index serves. Open alerts have their own index, by an expression that
 * no other index has. The second condition on the owner is a hint to the planner: see `hintsOf` (docs/adr/0007).
 */
export function ofTenant(tenant: string, { bands, acknowledged }: AlertFilter = {}): SQL | undefined {
  const isOpen = acknowledged === false
  const owner = isOpen ? sql.raw(`(${OWNER_WHILE_OPEN})`) : alerts.tenant
  return and(
    sql`${owner} = ${tenant} and ${owner} >= (select ${tenant}::text)`,
    isOpen ? isNull(alerts.acknowledgedAt) : undefined,
    bands?.length === 0 ? sql`false` : undefined,
  )
}

/** The part of a filter that no index serves: alerts that do not match are read and skipped. Undefined when there is none. */
export function unindexed({ bands, model, acknowledged }: AlertFilter): SQL | undefined {
  return and(
    // Each once: a caller may repeat a band as often as the body allows.
    bands && inArray(predictions.band, [...new Set(bands)].map(bandNumber)),
    model === undefined ? undefined : eq(predictions.model, model),
    acknowledged === true ? isNotNull(alerts.acknowledgedAt) : undefined,
  )
}

function orderOf(backward: boolean): SQL[] {
  return [alerts.epoch, alerts.xid, alerts.seq].map(backward ? desc : asc)
}

/** Why reading cannot go on from a position: it is from another database, or before the last removed alert. */
export function refusalOf({ epoch, tag, xid, seq }: GivenPosition): SQL<string | null> {
  return sql<string | null>`(select case
    when not exists (select from feed_epochs where ordinal = ${epoch}::int and tag = ${tag}) then 'BAD_CURSOR'
    when exists (select from feed_epochs where expired_xid is not null
      and (ordinal, expired_xid, expired_seq) > (${epoch}::int, ${xid}::xid8, ${seq}::bigint)) then 'CURSOR_EXPIRED'
    end)`
}

/**
 * Why a client's cursor is refused. Besides the reasons of `refusalOf`: it is ahead of this feed, as after the restore of an
 * older backup. A cursor of an earlier epoch is ahead when it names an alert that the backup did not hold. A cursor of `now` may
 * name no alert (sequence 0): the restored alerts after it, and every later epoch, still follow.
 */
export function refusalOfGiven(position: GivenPosition): SQL<string | null> {
  const { epoch, xid, seq } = position
  return sql<string | null>`coalesce(${refusalOf(position)}, case when ${epoch}::int = ${sql.raw(EPOCH_HERE)}
    then case when ${xid}::xid8 > pg_snapshot_xmax(pg_current_snapshot()) then 'BAD_CURSOR' end
    when ${seq}::bigint > 0
      and not exists (select from alerts where epoch = ${epoch}::int and (xid, seq) >= (${xid}::xid8, ${seq}::bigint))
      and not exists (select from feed_epochs
        where ordinal = ${epoch}::int and expired_xid = ${xid}::xid8 and expired_seq = ${seq}::bigint)
    then 'BAD_CURSOR' end)`
}

const alertColumns = {
  epoch: alerts.epoch,
  xid: sql<string>`${alerts.xid}::text`,
  seq: sql<string>`${alerts.seq}::text`,
  // Not a join: the alerts would lose their order, and all that were read would be sorted for a page.
  tag: sql<string>`(select tag from feed_epochs where ordinal = ${alerts.epoch})`,
  raisedAt: alerts.raisedAt,
  acknowledgedAt: alerts.acknowledgedAt,
  acknowledgedBy: alerts.acknowledgedBy,
  prediction: predictionColumns,
}

/**
 * Alerts with their predictions, in the order of the feed or backwards; a prediction that is no longer kept is null. Reads the
 * alerts first, then each prediction by its key: with a free join, a planner without statistics reads all alerts and all
 * predictions.
 */
export function selectAlerts(db: Connections['db'], { where, rows, backward = false, matching, limit, refusal }: AlertSelection) {
  const order = orderOf(backward)
  // The subqueries have the names of the tables, so that expressions over the tables' columns fit them too.
  const looked = db
    .select({
      ...getTableColumns(alerts),
      isLast: sql<boolean>`row_number() over (order by ${sql.join(order, sql`, `)}) = ${rows}`.as('is_last'),
    })
    .from(alerts)
    .where(where)
    .orderBy(...order)
    .limit(rows)
    .as('alerts')
  const prediction = db
    .select()
    .from(predictions)
    .where(and(eq(predictions.tenant, alerts.tenant), eq(predictions.id, alerts.predictionId)))
    .limit(1)
    .as('predictions')
  return db
    .select({ ...alertColumns, refusal, isLast: looked.isLast, matches: sql<boolean>`(${matching ?? sql`true`}) is true` })
    .from(looked)
    .leftJoinLateral(prediction, sql`true`)
    .where(matching && or(matching, looked.isLast))
    .orderBy(...order)
    .limit(limit)
}

/**
 * Acknowledges an alert that nobody has acknowledged, and audits that; otherwise audits that the alert is shown. When two calls
 * come at once, the second waits and finds the acknowledgement of the first, which stays.
 */
export function acknowledgeStatement(sql: Connections['sql'], { tenant, id, principal }: Acknowledgement) {
  const details = sql`jsonb_build_object('operation', 'acknowledgeAlert', 'ids', jsonb_build_array(prediction_id))`
  const entry = { subject: sql`prediction_id`, details }
  const actor = { tenant, principal }
  return sql`
    with locked as (
      select prediction_id, acknowledged_at from alerts where tenant = ${tenant} and prediction_id = ${id} for no key update
    ), acknowledged as (
      update alerts set acknowledged_at = now(), acknowledged_by = ${principal}
      from locked where alerts.prediction_id = locked.prediction_id and locked.acknowledged_at is null
      returning alerts.prediction_id
    ), audited as (
      ${auditInsert(sql, 'alert.acknowledged', actor, { ...entry, rows: sql`acknowledged` })}
    ), shown as (
      ${auditInsert(sql, 'alerts.read', actor, { ...entry, rows: sql`(select * from locked where acknowledged_at is not null) again` })}
    )
    select from locked`
}

export interface Acknowledgement {
  readonly tenant: string
  readonly id: string
  readonly principal: string
}

type AlertRow = Omit<HighRiskAlert, 'id' | 'cursor' | 'prediction'> &
  GivenPosition & { readonly prediction: PredictionRow | null }

export function cursorOf({ epoch, tag, xid, seq }: GivenPosition): string {
  return encodeAlertCursor({ epoch, xid, seq }, [{ ordinal: epoch, tag }])
}

/** Leaves out alerts whose predictions are no longer kept. */
export function toAlerts(rows: readonly AlertRow[]): HighRiskAlert[] {
  return rows.flatMap(row => {
    const { prediction, raisedAt, acknowledgedAt, acknowledgedBy } = row
    if (!prediction) return []
    return {
      id: prediction.id,
      cursor: cursorOf(row),
      prediction: toPrediction(prediction),
      raisedAt,
      acknowledgedAt,
      acknowledgedBy,
    }
  })
}
