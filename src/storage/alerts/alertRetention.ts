import { inChunks } from '../postgres/chunks.js'
import type { Connections, Database } from '../postgres/database.js'
import { SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { firstIdOf } from '../postgres/partitions.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK_ROWS = 500

/**
 * Removes alerts and webhook deliveries that are older than an instant, the oldest first, until the signal ends it; answers how many
 * rows. Several gateways may do it at once.
 */
export async function removeOldAlerts(database: Database, before: Date, signal?: AbortSignal): Promise<number> {
  const inBulk = (remove: typeof removeAlerts) =>
    inChunks(CHUNK_ROWS, () => database.writeBulk(({ sql }) => remove(sql, before)), signal)
  return (await inBulk(removeAlerts)) + (await inBulk(removeDeliveries))
}

/**
 * Removes only the beginning of the feed: an alert that is not old keeps all later ones, whatever their times. The last removed
 * alert of each epoch is noted in the same statement, so that a reader who missed it gets an error, not a silent gap. Locks in
 * one order: otherwise two gateways at once would deadlock.
 */
async function removeAlerts(sql: Connections['sql'], before: Date): Promise<number> {
  const rows = await sql`
    with old as (
      select prediction_id, bool_and(raised_at < ${before.toISOString()}::timestamptz) over (order by epoch, xid, seq) as goes from (
        select * from alerts where (epoch, xid) < ${sql.unsafe(SETTLED_BEFORE)}
        order by epoch, xid, seq limit ${CHUNK_ROWS}) oldest
    ), locked as (
      select prediction_id from alerts where prediction_id in (select prediction_id from old where goes)
      order by epoch, xid, seq for update
    ), removed as (
      delete from alerts using locked where alerts.prediction_id = locked.prediction_id
      returning alerts.epoch, alerts.xid, alerts.seq
    ), noted as (
      update feed_epochs set expired_xid = last.xid, expired_seq = last.seq
      from (select distinct on (epoch) epoch, xid, seq from removed order by epoch, xid desc, seq desc) last
      where ordinal = last.epoch and (expired_xid is null or (expired_xid, expired_seq) < (last.xid, last.seq))
    )
    select from removed`
  return rows.length
}

/** The id has the time of the gateway that made it, `created_at` that of the database: both must be old. */
async function removeDeliveries(sql: Connections['sql'], before: Date): Promise<number> {
  const { count } = await sql`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where id < ${firstIdOf(before)} and created_at < ${before.toISOString()}::timestamptz
      order by id limit ${CHUNK_ROWS} for update skip locked)`
  return count
}
