import { randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'

/** A stretch of the alert feed whose transaction ids come from one database cluster. */
export interface FeedEpoch {
  readonly ordinal: number
  readonly tag: string
}

/**
 * What the transaction ids of a session belong to: the cluster, its timeline, the database. A promoted standby has a new timeline,
 * and a restore into another database another number, though the cluster is the same. The timeline is asked of the log that is
 * written: that of the last checkpoint is the old one for a while after a promotion.
 */
export const HERE = `(select system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
  (select oid from pg_database where datname = current_database()) from pg_control_system())`

/** Opens a new epoch when this is not where the last one was written: after a restore elsewhere, or a failover. */
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
