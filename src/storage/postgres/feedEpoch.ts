import { randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'

/** A stretch of the alert feed whose transaction ids come from one life of one database server. */
export interface FeedEpoch {
  readonly ordinal: number
  readonly tag: string
}

/**
 * What the transaction ids of a session belong to: the cluster, its timeline, the database, the start of its server (docs/adr/0009).
 * A promoted standby has a new timeline; a restore into another database another number, though the cluster is the same; and files
 * that were copied back hold an older state under the same names, but not without a start. The timeline is asked of the log that is
 * written: that of the last checkpoint is the old one for a while after a promotion.
 */
const HERE = `(select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
  (select oid from pg_database where datname = current_database()) || '/' || extract(epoch from pg_postmaster_start_time())
  from pg_control_system())`

/** The ordinal of the epoch that is written here. Null before it has been opened, as straight after a failover: no alert goes in. */
export const EPOCH_HERE = `(select ordinal from (select ordinal, cluster from feed_epochs order by ordinal desc limit 1) last
  where cluster = ${HERE})`

/**
 * The place (epoch, xid) that alerts must stand before to be read. An older transaction of this server might still commit something
 * before the others: a reader would pass it by. In an epoch that is not written here any more nothing can be added. Compared as one
 * row, it is one range of the index, in its order: said with `or`, all that follow might be read and sorted for each page.
 */
export const SETTLED_BEFORE = `(coalesce(${EPOCH_HERE}, 2147483647), pg_snapshot_xmin(pg_current_snapshot()))`

/**
 * The place of now, for FROM: whatever commits from here on comes after it. It names the last alert, not a transaction of the moment:
 * ids of transactions whose log was not written yet are given out again after a crash.
 */
export const PLACE_OF_NOW = `(
  select ordinal as epoch, tag, coalesce(last.xid, expired_xid, '0') as xid, coalesce(last.seq, expired_seq, 0) as seq
  from (select * from feed_epochs order by ordinal desc limit 1) newest
  left join lateral (
    select xid, seq from alerts where epoch = newest.ordinal and (epoch, xid) < ${SETTLED_BEFORE}
    order by epoch desc, xid desc, seq desc limit 1
  ) last on true)`

/** Opens a new epoch when this is not where the last one was written: after a restart, a restore elsewhere, or a failover. */
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
