import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { installJobQueue } from './jobs/jobQueue.js'
import { openFeedEpoch } from './postgres/feedEpoch.js'
import { ensurePartitions } from './postgres/partitions.js'
import { postgresErrorCode } from './postgres/postgresErrors.js'
import { DatabaseUnusableError } from './postgres/waitForDatabase.js'

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))
// Any number, the same in every gateway: whoever holds it migrates, the others wait.
const MIGRATION_LOCK = 7_475_002_417
const LOCK_PAUSE_MS = 250
const INSUFFICIENT_PRIVILEGE = '42501'

export interface MigrateOptions {
  /** Told once when another gateway migrates and has to be waited for. */
  readonly waiting?: (() => void) | undefined
  /** Ends the wait with an AbortError. */
  readonly signal?: AbortSignal | undefined
}

/** Brings the database up to date: migrations, partitions, the epoch of the alert feed, the job queue. Safe to run from several gateways at once. */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<void> {
  // One connection: an advisory lock belongs to it.
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 5,
    connection: { application_name: 'riskgate:migrate' },
    onnotice: () => {},
  })
  try {
    await takeLock(sql, options)
    await migrate(drizzle(sql), { migrationsFolder: MIGRATIONS })
    await ensurePartitions(sql, new Date())
    await openFeedEpoch(sql)
    await installJobQueue(sql)
  } catch (error) {
    if (postgresErrorCode(error) !== INSUFFICIENT_PRIVILEGE) throw error
    throw new DatabaseUnusableError(`its user may not create tables there (${INSUFFICIENT_PRIVILEGE}).`)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** By asking again and again: a statement that waits inside Postgres could not be given up, and its wait would be told to nobody. */
async function takeLock(sql: Sql, { waiting, signal }: MigrateOptions): Promise<void> {
  for (let isTold = false; ; isTold = true) {
    signal?.throwIfAborted()
    const [row] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${MIGRATION_LOCK}) as taken`
    if (row?.taken) return
    if (!isTold) waiting?.()
    await sleep(LOCK_PAUSE_MS, undefined, { signal })
  }
}
