import type { Config } from '../../config/config.js'
import { addressOf } from '../../storage/postgres/driver.js'
import { type Finding, ok, warning } from './finding.js'

const UNVERIFIED = {
  prefer: 'TLS is used where the server offers it, and anybody could be the server',
  require: 'TLS is used, and anybody could be the server',
  'verify-ca': 'another server of the same authority could take its place',
} as const

/** How DATABASE_URL is understood: what it verifies, and which of its parameters have no effect. */
export async function connectionFindings({ databaseUrl }: Config): Promise<Finding[]> {
  const check = 'database connection'
  if (databaseUrl === undefined) return [ok(check, 'the embedded database, on this machine')]
  const { tls, ignored } = addressOf(databaseUrl)
  const others = ignored.length === 0 ? '' : `; without an effect: ${ignored.join(', ')}`
  if (tls.mode === 'disable') return [ok(check, `without TLS${others}`)]
  if (tls.mode === 'verify-full') return [ok(check, `TLS, and the server is verified${others}`)]
  return [warning(check, `sslmode=${tls.mode}: ${UNVERIFIED[tls.mode]}. Use verify-full with sslrootcert${others}.`)]
}
