import { sql } from 'drizzle-orm'
import { boolean, doublePrecision, index, jsonb, pgTable, primaryKey, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { instant, optionalInstant } from './columns.js'

/**
 * Every prediction. Partitioned by month on the id, a UUIDv7 that begins with its time, so that the id alone finds its partition
 * (docs/adr/0001). `band` is 1..8 for T1..T8. `features` is null after erasure. Each index but the one by
 * probability gives one of the documented lists of the history in the order of its ids, newest first, without a sort.
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
    /** Whether the loan defaulted, as last recorded; null while nothing is recorded. Earlier records are in the audit. */
    defaulted: boolean(),
    outcomeObservedAt: optionalInstant(),
    outcomeRecordedBy: text(),
  },
  table => [
    primaryKey({ columns: [table.tenant, table.id] }),
    index('predictions_by_applicant').on(table.tenant, table.applicantId, table.id),
    index('predictions_by_requester').on(table.tenant, table.requestedBy, table.id),
    index('predictions_by_band').on(table.tenant, table.band, table.id),
    index('predictions_by_version').on(table.tenant, table.model, table.modelVersion, table.id),
    // Ends in the time of creation, so that rows outside a range of time are skipped without reading the table.
    index('predictions_by_probability').on(table.tenant, table.probability, table.id, table.createdAt),
    index('predictions_by_channel').on(table.tenant, table.channel, table.id).where(sql`channel is not null`),
    index('predictions_high_risk').on(table.tenant, table.id).where(sql`high_risk`),
    index('predictions_without_outcome').on(table.tenant, table.id).where(sql`defaulted is null`),
    index('predictions_with_outcome').on(table.tenant, table.id).where(sql`defaulted is not null`),
  ],
)

/** Not partitioned: a key must be unique for ever, whenever it is sent again. */
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
    // For retention and erasure, which search by time. Rows arrive in that order, so that writing costs next to nothing. Several
    // ranges for each block range, as new rows fill the room of removed ones. Summarised at once: blocks without a summary are
    // read in full.
    index('idempotency_keys_by_time')
      .using('brin', table.createdAt.op('timestamptz_minmax_multi_ops'))
      .with({ autosummarize: 'on' }),
  ],
)
