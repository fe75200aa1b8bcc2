import { sql } from 'drizzle-orm'
import { bigint, index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { instant, optionalInstant, xid8 } from './columns.js'

/** The tenant of an alert that nobody has acknowledged, else null. The index of open alerts is by this expression. */
export const OWNER_WHILE_OPEN = 'case when acknowledged_at is null then tenant end'

/**
 * The durable feed of high-risk scores, written with the prediction. Its order is (epoch, xid, seq): sequence numbers alone are not
 * in the order of commits, and a reader that trusted them lost rows.
 */
export const alerts = pgTable(
  'alerts',
  {
    predictionId: uuid().primaryKey(),
    tenant: text().notNull(),
    epoch: integer().notNull(),
    xid: xid8().notNull(),
    seq: bigint({ mode: 'bigint' }).notNull().generatedAlwaysAsIdentity(),
    raisedAt: instant(),
    acknowledgedAt: optionalInstant(),
    acknowledgedBy: text(),
  },
  table => [
    uniqueIndex('alerts_feed').on(table.epoch, table.xid, table.seq),
    index('alerts_feed_of_tenant').on(table.tenant, table.epoch, table.xid, table.seq),
    index('alerts_open')
      .on(sql.raw(`(${OWNER_WHILE_OPEN})`), table.epoch, table.xid, table.seq)
      .where(sql`acknowledged_at is null`),
  ],
)

/** Transaction ids start again in another database cluster: each cluster that held this feed is an epoch of its own. */
export const feedEpochs = pgTable('feed_epochs', {
  ordinal: integer().primaryKey(),
  /** Random, so that a cursor of another database's first epoch is known to be foreign. */
  tag: text().notNull(),
  cluster: text().notNull(),
  startedAt: instant(),
  /** The last alert of this epoch that the retention has removed: a cursor before it has expired. */
  expiredXid: xid8(),
  expiredSeq: bigint({ mode: 'bigint' }),
})
