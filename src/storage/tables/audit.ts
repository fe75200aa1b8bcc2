import { bigint, index, integer, jsonb, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core'
import { instant, xid8 } from './columns.js'

/**
 * Who did what to what. Append-only: a trigger of the database enforces that. Their order (epoch, xid, id) is
 * that of commits, as for alerts: nothing can be added before a sealed entry.
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
    /** The id of the object that was acted on; for an applicant, a keyed digest of its reference. */
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

/** A run of audit entries, up to and including the last one, under a hash that covers the seal before. Append-only. */
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
