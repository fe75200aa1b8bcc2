import { randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'

/** A stretch of the alert feed whose transaction ids come from one life of one database server. */
export interface FeedEpoch {
  readonly ordinal: number
  readonly tag: string
}

/**
 * The life of a server that transaction ids belong to: cluster, timeline, database, start of the server (docs/adr/0009). A
 * promoted standby has a new timeline. A restore into another database of the same cluster has another database number. Files
 * that were copied back hold an older state under the same names, but need a start of the server. The timeline is that of the log
 * being written: for a while after a promotion, the last checkpoint still has the old one.
 */
const HERE = `(select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
  (select oid from pg_database where datname = current_database()) || '/' || extract(epoch from pg_postmaster_start_time())
  from pg_control_system())`

/** The ordinal of the epoch that this server writes. Null until it is opened, as after a failover: no alert can be stored. */
export const EPOCH_HERE = `(select ordinal from (select ordinal, cluster from feed_epochs order by ordinal desc limit 1) last
  where cluster = ${HERE})`

/**
 * Only alerts before this position (epoch, xid) may be read. An older transaction of this server may still commit an alert before
 * newer ones, and a reader past it would miss it. Nothing can be added to an epoch that this server no longer writes. The
 * comparison as one row is one range of the index, in its order: written with `or`, all later alerts might be read and sorted for
 * each page.
 */
export const SETTLED_BEFORE = `(coalesce(${EPOCH_HERE}, 2147483647), pg_snapshot_xmin(pg_current_snapshot()))`

/**
 * The current position, for FROM: every alert that commits from now on comes after it. It names the last alert, not a current
 * transaction: after a crash, ids of transactions whose log was not written yet are given out again.
 */
export const POSITION_OF_NOW = `(
  select ordinal as epoch, tag, coalesce(last.xid, expired_xid, '0') as xid, coalesce(last.seq, expired_seq, 0) as seq
  from (select * from feed_epochs order by ordinal desc limit 1) newest
  left join lateral (
    select xid, seq from alerts where epoch = newest.ordinal and (epoch, xid) < ${SETTLED_BEFORE}
    order by epoch desc, xid desc, seq desc limit 1
  ) last on true)`

/** Opens a new epoch when another life of a server wrote the last one: after a restart, a restore elsewhere, or a failover. */
export async function openFeedEpoch(sql: Sql): Promise<void> {
  await sql`
    insert into feed_epochs (ordinal, tag, cluster, started_at)
    select coalesce(max(ordinal), 0) + 1, ${randomBytes(4).toString('hex')}, here.cluster, now()
    from feed_epochs right join (select ${sql.unsafe(HERE)} as cluster) here on true
    group by here.cluster
    having here.cluster is distinct from (select cluster from feed_epochs order by ordinal desc limit 1)
    on conflict do nothing`
}

export async function feedEpochs(sql: Sql): Promise<FeedEpoch[]> {
  return sql<FeedEpoch[]>`select ordinal, tag from feed_epochs order by ordinal`
}
