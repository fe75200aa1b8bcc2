import { randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'

/** A stretch of the alert feed whose transaction ids come from one life of one database server. */
export interface FeedEpoch {
  readonly ordinal: number
  readonly tag: string
}

/**
 * The life of a server that transaction ids belong to: database, and start of the server (docs/adr/0009). Every server tells them,
 * also one that refuses functions of its log. A restore into another database of the same cluster has another database number.
 * Files that were copied back, a promoted standby and a copied cluster have another start, to the microsecond.
 */
const LIFE = `(select oid from pg_database where datname = current_database()) || '/' || extract(epoch from pg_postmaster_start_time())`

/** The ordinal of the epoch that this server writes. Null until it is opened, as after a failover: no alert can be stored. */
export const EPOCH_HERE = `(select ordinal from (select ordinal, cluster from feed_epochs order by ordinal desc limit 1) last
  where cluster like '%/' || ${LIFE})`

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

/**
 * Opens a new epoch when another life of a server wrote the last one: after a restart, a restore elsewhere, or a failover. Gateways of
 * release 0.2 compare the number and the timeline of the cluster too, so these stand before the life where the server tells them.
 */
export async function openFeedEpoch(sql: Sql): Promise<void> {
  await sql.unsafe(`do $$
    declare
      life text := ${LIFE};
      cluster_name text := 'unnamed';
    begin
      begin
        cluster_name := (select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) from pg_control_system());
      exception when others then null;
      end;
      insert into feed_epochs (ordinal, tag, cluster, started_at)
      select coalesce(max(ordinal), 0) + 1, '${randomBytes(4).toString('hex')}', cluster_name || '/' || life, now() from feed_epochs
      having (select cluster like '%/' || life from feed_epochs order by ordinal desc limit 1) is not true
      on conflict do nothing;
    end $$`)
}

export async function feedEpochs(sql: Sql): Promise<FeedEpoch[]> {
  return sql<FeedEpoch[]>`select ordinal, tag from feed_epochs order by ordinal`
}
