import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { openFeedEpoch } from './postgres/feedEpoch.js'
import { ensurePartitions } from './postgres/partitions.js'

const MIGRATIONS = fileURLToPath(new URL('../../drizzle', import.meta.url))
// An arbitrary number, the same in every gateway: the holder of the lock migrates, the others wait.
const MIGRATION_LOCK = 7_475_002_417
const LOCK_PAUSE_MS = 250

export interface MigrateOptions {
  /** Called once when another gateway is migrating and this one has to wait. */
  readonly waiting?: (() => void) | undefined
  /** Ends the wait with an AbortError. */
  readonly signal?: AbortSignal | undefined
}

/** Updates the database: migrations, partitions, the feed's epoch. Several gateways may do so at once. */
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
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Polls: a statement that waits inside Postgres could not be aborted, and nobody would hear that it waits. */
async function takeLock(sql: Sql, { waiting, signal }: MigrateOptions): Promise<void> {
  for (let isReported = false; ; isReported = true) {
    signal?.throwIfAborted()
    const [row] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(${MIGRATION_LOCK}) as taken`
    if (row?.taken) return
    if (!isReported) waiting?.()
    await sleep(LOCK_PAUSE_MS, undefined, { signal })
  }
}
