import { boolean, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { instant } from './columns.js'

/**
 * One row, made by the migration: how far the stored texts are in their canonical form (docs/adr/0023). A round reads the
 * predictions of each tenant with ids from `round_from` to `round_to`.
 */
export const textCheck = pgTable('text_check', {
  /** Whether the first round has ended: every prediction from before the migration has been read. */
  complete: boolean().notNull(),
  roundFrom: uuid().notNull(),
  roundTo: uuid().notNull(),
  /** The tenant that is being read, and its last id that was; the tenant is null between two rounds. */
  tenant: text(),
  lastId: uuid().notNull(),
  /** No round begins after it: by then no gateway of an older version runs, which stores texts as they come. */
  endsAt: instant(),
})

/** Other spellings that an applicant's reference had before it had one form: the audit keeps their digests for ever. */
export const formerReferences = pgTable(
  'former_references',
  {
    tenant: text().notNull(),
    /** The digest of the reference in the audit. */
    digest: text().notNull(),
    /** The digest of the former spelling. */
    former: text().notNull(),
  },
  table => [primaryKey({ columns: [table.tenant, table.digest, table.former] })],
)
