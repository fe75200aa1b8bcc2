import { sql } from 'drizzle-orm'
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
import type { Role } from '../auth/principal.js'

const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
// Milliseconds, as JavaScript has them: a keyset page would skip rows whose microseconds were cut off on the way.
const instant = () => timestamp({ withTimezone: true, precision: 3 }).notNull()

/**
 * Every prediction. Partitioned by month on the id, a UUIDv7 that begins with its time, so that the id alone finds its partition
 * (docs/adr/0001). `band` is 1..8 for T1..T8. `features` is null after erasure. Each index ends in the id: it gives one of the
 * documented lists of the history, newest first, without a sort.
 */
export const predictions = pgTable(
  'predictions',
  {
    id: uuid().notNull(),
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
    /** What really happened with the loan, as last recorded; null while nobody has said. Earlier records are in the audit. */
    defaulted: boolean(),
    outcomeObservedAt: timestamp({ withTimezone: true, precision: 3 }),
    outcomeRecordedBy: text(),
  },
  table => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index('predictions_by_applicant').on(table.tenant, table.applicantId, table.id),
    index('predictions_by_requester').on(table.tenant, table.requestedBy, table.id),
    index('predictions_by_band').on(table.tenant, table.band, table.id),
    index('predictions_by_version').on(table.tenant, table.model, table.modelVersion, table.id),
    index('predictions_by_probability').on(table.tenant, table.probability, table.id),
    index('predictions_by_channel').on(table.tenant, table.channel, table.id).where(sql`channel is not null`),
    index('predictions_high_risk').on(table.tenant, table.id).where(sql`high_risk`),
    index('predictions_without_outcome').on(table.tenant, table.id).where(sql`defaulted is null`),
    index('predictions_with_outcome').on(table.tenant, table.id).where(sql`defaulted is not null`),
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
  table => [
    primaryKey({ columns: [table.tenant, table.principal, table.key] }),
    // For retention and erasure, which go by time: rows come in its order, and writing costs next to nothing. Several ranges for each
    // block range, as new rows fill the room of removed ones; summarised at once, as what is not would be read in full.
    index('idempotency_keys_by_time')
      .using('brin', table.createdAt.op('timestamptz_minmax_multi_ops'))
      .with({ autosummarize: 'on' }),
  ],
)

/** The tenant of an alert that nobody has acknowledged: of these alone there is an index by it. */
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
    acknowledgedAt: timestamp({ withTimezone: true, precision: 3 }),
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
  /** Random: a cursor of another database's first epoch is none of ours. */
  tag: text().notNull(),
  cluster: text().notNull(),
  startedAt: instant(),
  /** The last alert of this epoch that the retention has removed: a cursor before it is expired. */
  expiredXid: xid8(),
  expiredSeq: bigint({ mode: 'bigint' }),
})

const statistics = {
  tenant: text().notNull(),
  model: text().notNull(),
  modelVersion: text().notNull(),
  /** The quarter of an hour in which the predictions were made: whole for every time zone. */
  quarter: instant(),
  band: smallint().notNull(),
  predictions: integer().notNull(),
  probabilitySum: doublePrecision().notNull(),
  highRisk: integer().notNull(),
  /** Predictions with a recorded outcome, and those of them that defaulted. */
  outcomes: integer().notNull(),
  defaults: integer().notNull(),
}

/** What each write adds to the statistics, until it is folded into `risk_rollups`: writers never wait for each other's counts. */
export const riskDeltas = pgTable('risk_deltas', statistics)

/**
 * The statistics behind `riskSummary`: rollups and the deltas that are left are always the whole truth. Everything is there three
 * times, by quarter of an hour, by hour and by day of UTC, so that a long range is read in few rows.
 */
export const riskRollups = pgTable(
  'risk_rollups',
  {
    ...statistics,
    /** How long the time is that begins with the quarter: 15, 60 or 1,440. */
    minutes: smallint().notNull(),
  },
  table => [primaryKey({ columns: [table.tenant, table.minutes, table.quarter, table.model, table.modelVersion, table.band] })],
)

/**
 * Who did what to what. Only ever added to, which a trigger of the database holds. In the order (epoch, xid, id), that of commits, as
 * the alerts are: what has been sealed can have nothing added before it.
 */
export const auditEntries = pgTable(
  'audit_entries',
  {
    id: bigint({ mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    tenant: text().notNull(),
    at: instant(),
    principal: text().notNull(),
    /** Such as `outcome.recorded` or `applicant.erased`. */
    action: text().notNull(),
    /** The id of what it was done to; for an applicant a keyed digest of its reference. */
    subject: text().notNull(),
    details: jsonb().notNull(),
    epoch: integer().notNull(),
    xid: xid8().notNull(),
  },
  table => [
    uniqueIndex('audit_entries_order').on(table.epoch, table.xid, table.id),
    index('audit_entries_of_tenant').on(table.tenant, table.at, table.id),
    index('audit_entries_by_subject').on(table.tenant, table.subject, table.at, table.id),
    index('audit_entries_by_principal').on(table.tenant, table.principal, table.at, table.id),
    index('audit_entries_by_action').on(table.tenant, table.action, table.at, table.id),
  ],
)

/** A batch of audit entries, up to and with the last one, under one hash that holds the hash of the batch before. Only ever added to. */
export const auditSeals = pgTable('audit_seals', {
  /** 1, 2, 3 and so on, without a gap. */
  number: integer().primaryKey(),
  lastEpoch: integer().notNull(),
  lastXid: xid8().notNull(),
  lastId: bigint({ mode: 'bigint' }).notNull(),
  entries: integer().notNull(),
  /** SHA-256, hexadecimal. */
  hash: text().notNull(),
  sealedAt: instant(),
})

/** One row: the key of the digests that stand for applicants' references in the audit. Made by the migration. */
export const auditKey = pgTable('audit_key', { key: text().notNull() })

/** Keys that clients call with. Of the key itself only its digest is here. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid().primaryKey(),
    tenant: text().notNull(),
    /** The stable client id that it calls as: it stays when the key is replaced. */
    principal: text().notNull(),
    description: text(),
    roles: text().array().$type<Role[]>().notNull(),
    /** SHA-256 of the key, hexadecimal: 256 random bits need no slow hash. */
    digest: text().notNull(),
    createdAt: instant(),
    createdBy: text().notNull(),
    expiresAt: instant(),
    lastUsedAt: timestamp({ withTimezone: true, precision: 3 }),
    revokedAt: timestamp({ withTimezone: true, precision: 3 }),
    revokedBy: text(),
  },
  table => [
    index('api_keys_of_tenant').on(table.tenant, table.id),
    index('api_keys_open').on(table.tenant, table.id).where(sql`revoked_at is null`),
  ],
)

/** A subscriber that is called by HTTP. Its place in the feed is `epoch`, `xid`, `seq`. */
export const webhooks = pgTable(
  'webhooks',
  {
    id: uuid().primaryKey(),
    tenant: text().notNull(),
    url: text().notNull(),
    description: text(),
    secret: text().notNull(),
    /** After a rotation the earlier secret signs too, for a while. */
    previousSecret: text(),
    previousSecretUntil: timestamp({ withTimezone: true, precision: 3 }),
    bands: smallint().array(),
    model: text(),
    createdAt: instant(),
    createdBy: text().notNull(),
    epoch: integer().notNull(),
    xid: xid8().notNull(),
    seq: bigint({ mode: 'bigint' }).notNull(),
  },
  table => [index('webhooks_of_tenant').on(table.tenant, table.id)],
)

/** One alert on its way to one webhook. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: uuid().primaryKey(),
    webhookId: uuid().notNull(),
    tenant: text().notNull(),
    alertId: uuid().notNull(),
    state: text({ enum: ['PENDING', 'DELIVERED', 'DEAD'] }).notNull(),
    attempts: integer().notNull().default(0),
    /** HTTP status of the last answer; null when there was none. */
    lastStatus: integer(),
    /** Why the last attempt failed, in a sentence. */
    lastError: text(),
    createdAt: instant(),
    lastAttemptAt: timestamp({ withTimezone: true, precision: 3 }),
    /** Null until a job for it is in the queue. */
    queuedAt: timestamp({ withTimezone: true, precision: 3 }),
  },
  table => [
    uniqueIndex('webhook_deliveries_once').on(table.webhookId, table.alertId),
    index('webhook_deliveries_newest').on(table.webhookId, table.id),
    index('webhook_deliveries_by_state').on(table.webhookId, table.state, table.id),
    index('webhook_deliveries_last').on(table.webhookId, table.state, table.lastAttemptAt),
    index('webhook_deliveries_unqueued').on(table.id).where(sql`queued_at is null`),
  ],
)
