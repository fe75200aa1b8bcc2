import { randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'

/** A stretch of the alert feed whose transaction ids come from one database cluster. */
export interface FeedEpoch {
  readonly ordinal: number
  readonly tag: string
}

/** Opens a new epoch when the cluster is not the one that wrote last: after a restore elsewhere, or on a new timeline of it. */
export async function openFeedEpoch(sql: Sql): Promise<void> {
  await sql`
    insert into feed_epochs (ordinal, tag, cluster, started_at)
    select coalesce(max(ordinal), 0) + 1, ${randomBytes(4).toString('hex')}, here.cluster, now()
    from feed_epochs right join (
      select system_identifier || '/' || timeline_id as cluster from pg_control_system(), pg_control_checkpoint()
    ) here on true
    group by here.cluster
    having here.cluster is distinct from (select cluster from feed_epochs order by ordinal desc limit 1)`
}

export async function feedEpochs(sql: Sql): Promise<FeedEpoch[]> {
  return sql<FeedEpoch[]>`select ordinal, tag from feed_epochs order by ordinal`
}
