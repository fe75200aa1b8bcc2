import { sql } from 'drizzle-orm'
import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import type { Role } from '../../auth/principal.js'
import { instant, optionalInstant } from './columns.js'

/** Keys that clients call with. Only the digest of a key is stored, never its text. */
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
    lastUsedAt: optionalInstant(),
    revokedAt: optionalInstant(),
    revokedBy: text(),
  },
  table => [
    index('api_keys_of_tenant').on(table.tenant, table.id),
    index('api_keys_open').on(table.tenant, table.id).where(sql`revoked_at is null`),
  ],
)
