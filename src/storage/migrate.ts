import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { openFeedEpoch } from './feedEpoch.js'
import { ensurePartitions } from './partitions.js'
import { postgresErrorCode } from './postgresErrors.js'
import { DatabaseUnusableError } from './waitForDatabase.js'

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))
// Any number, the same in every gateway: whoever holds it migrates, the others wait.
const MIGRATION_LOCK = 7_475_002_417
const INSUFFICIENT_PRIVILEGE = '42501'

/** Brings the database up to date: migrations, partitions, the epoch of the alert feed. Safe to run from several gateways at once. */
export async function migrateDatabase(url: string): Promise<void> {
  // One connection: an advisory lock belongs to it.
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 5,
    connection: { application_name: 'riskgate:migrate' },
    onnotice: () => {},
  })
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`
    await migrate(drizzle(sql), { migrationsFolder: MIGRATIONS })
    await ensurePartitions(sql, new Date())
    await openFeedEpoch(sql)
  } catch (error) {
    if (postgresErrorCode(error) !== INSUFFICIENT_PRIVILEGE) throw error
    throw new DatabaseUnusableError(`its user may not create tables there (${INSUFFICIENT_PRIVILEGE}).`)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
