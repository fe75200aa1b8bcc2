import { bigint, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { instant, xid8 } from './columns.js'

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
