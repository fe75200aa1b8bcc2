import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
// Milliseconds, as JavaScript has them: a keyset page would skip rows whose microseconds were cut off on the way.
const instant = () => timestamp({ withTimezone: true, precision: 3 }).notNull()

/**
 * Every prediction. Partitioned by month on the id: a UUIDv7 begins with its time, so that the id alone is the key, is unique, and
 * finds its partition (docs/adr/0001). `band` is 1..8 for T1..T8. `features` is null after erasure.
 */
export const predictions = pgTable(
  'predictions',
  {
    id: uuid().primaryKey(),
    tenant: text().notNull(),
    applicantId: text().notNull(),
    model: text().notNull(),
    modelVersion: text().notNull(),
    probability: doublePrecision().notNull(),
    band: smallint().notNull(),
    highRisk: boolean().notNull(),
    features: jsonb().$type<Record<string, number | string | boolean>>(),
    channel: text(),
    createdAt: instant(),
    requestedBy: text().notNull(),
  },
  table => [
    index('predictions_newest').on(table.tenant, table.id),
    index('predictions_by_applicant').on(table.tenant, table.applicantId, table.id),
    index('predictions_by_requester').on(table.tenant, table.requestedBy, table.id),
  ],
)

/** Not partitioned: a key must be unique for ever, whenever it comes again. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    tenant: text().notNull(),
    principal: text().notNull(),
    key: text().notNull(),
    predictionId: uuid().notNull(),
    /** SHA-256 of the application, hexadecimal. */
    digest: text().notNull(),
    createdAt: instant(),
  },
  table => [primaryKey({ columns: [table.tenant, table.principal, table.key] })],
)

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
  },
  table => [
    uniqueIndex('alerts_feed').on(table.epoch, table.xid, table.seq),
    index('alerts_feed_of_tenant').on(table.tenant, table.epoch, table.xid, table.seq),
  ],
)

/** Transaction ids start again in another database cluster: each cluster that held this feed is an epoch of its own. */
export const feedEpochs = pgTable('feed_epochs', {
  ordinal: integer().primaryKey(),
  /** Random: a cursor of another database's first epoch is none of ours. */
  tag: text().notNull(),
  cluster: text().notNull(),
  startedAt: instant(),
})
