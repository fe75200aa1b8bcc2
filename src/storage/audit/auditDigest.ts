import { createHmac } from 'node:crypto'
import type { Database } from '../postgres/database.js'

/**
 * Stands in the audit for a text that must not be in it, such as an applicant's reference: HMAC-SHA256, hexadecimal. The same text of
 * the same tenant has the same digest, and whoever has the audit without its key cannot try references.
 */
export type AuditDigest = (tenant: string, text: string) => string

/** The digest with the key of this database, which stays the same for as long as the audit does. */
export async function readAuditDigest(database: Database): Promise<AuditDigest> {
  const [row] = await database.read(({ sql }) => sql<{ key: string }[]>`select key from audit_key`)
  if (!row) throw new Error('The table audit_key is empty: restore its row from a backup.')
  const { key } = row
  return (tenant, text) =>
    createHmac('sha256', key)
      .update(JSON.stringify([tenant, text]))
      .digest('hex')
}
