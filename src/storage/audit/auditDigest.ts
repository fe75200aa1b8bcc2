import { createHmac } from 'node:crypto'
import type { Database } from '../postgres/database.js'

/**
 * Replaces a text that must not be in the audit, such as an applicant's reference: HMAC-SHA256, hexadecimal. The same text of the
 * same tenant has the same digest. Without the key, a reader of the audit cannot try references.
 */
export type AuditDigest = (tenant: string, text: string) => string

/** The key of this database for what the audit shows. It must stay the same for as long as the audit exists. */
export async function readAuditKey(database: Database): Promise<string> {
  const [row] = await database.read(({ sql }) => sql<{ key: string }[]>`select key from audit_key`)
  if (!row) throw new Error('The table audit_key is empty: restore its row from a backup.')
  return row.key
}

export function auditDigestWith(key: string): AuditDigest {
  return (tenant, text) =>
    createHmac('sha256', key)
      .update(JSON.stringify([tenant, text]))
      .digest('hex')
}
