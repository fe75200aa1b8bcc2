import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { type Blocker, BlockerWatch } from './postgres/blockerWatch.js'
import { openFeedEpoch } from './postgres/feedEpoch.js'
import { ensurePartitionsAhead } from './postgres/partitions.js'
import { isLockTimeout } from './postgres/postgresErrors.js'

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))
// An arbitrary number, the same in every gateway: the holder of the lock migrates, the others wait.
const MIGRATION_LOCK = 7_475_002_417
const LOCK_PAUSE_MS = 250
// Writers queue behind a migration that waits for a lock, and gateways give a write up after a second.
const LOCK_TIMEOUT_MS = 200
const RETRY_PAUSE_MS = 1_000
// After it, Postgres ends a migration whose gateway is gone, and frees its locks.
const CONNECTION_CHECK_MS = 1_000

export interface MigrateOptions {
  /** Called once when another gateway is migrating and this one has to wait. */
  readonly waiting?: (() => void) | undefined
  /** Called for each new set of sessions whose locks the migration waits for. It is tried again until they are gone. */
  readonly blocked?: ((blockers: readonly Blocker[]) => void) | undefined
  /** Ends the migration, or the wait for it, with an AbortError. */
  readonly signal?: AbortSignal | undefined
}

/** The database has migrations that this release does not know. */
export class NewerDatabaseError extends Error {}

/**
 * Updates the database: migrations, partitions, the feed's epoch. Several gateways may do so at once.
 * @throws NewerDatabaseError, and AbortError when the signal is aborted
 */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<void> {
  const { signal } = options
  // One connection: an advisory lock belongs to it.
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 5,
    connection: { application_name: 'riskgate:migrate' },
    onnotice: () => {},
  })
  const giveUp = () => void sql.end({ timeout: 0 })
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    await takeLock(sql, options)
    await refuseNewer(sql)
    await limitWaits(sql)
    await updatePatiently(sql, url, options)
  } catch (error) {
    // A statement that the signal ended fails with an error of the connection.
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', giveUp)
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

async function refuseNewer(sql: Sql): Promise<void> {
  if ((await migrationsOf(sql)).unknown > 0) throw new NewerDatabaseError()
}

/** How many migrations of this release a database lacks, and how many it has that this release does not know. */
export async function migrationsOf(sql: Sql): Promise<{ missing: number; unknown: number }> {
  const known = new Set(readMigrationFiles({ migrationsFolder }).map(({ folderMillis }) => String(folderMillis)))
  const [table] = await sql<{ isMade: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as "isMade"`
  if (!table?.isMade) return { missing: known.size, unknown: 0 }
  const rows = await sql<{ at: string }[]>`select created_at::text as at from drizzle.__drizzle_migrations`
  const applied = new Set(rows.map(({ at }) => at))
  return {
    missing: [...known].filter(at => !applied.has(at)).length,
    unknown: [...applied].filter(at => !known.has(at)).length,
  }
}

async function limitWaits(sql: Sql): Promise<void> {
  await sql`select set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, false)`
  // A server on Windows cannot check its connections, and refuses the setting.
  await sql`select set_config('client_connection_check_interval', ${`${CONNECTION_CHECK_MS}ms`}, false)`.catch(() => {})
}

/** Each step may be repeated: one that waited too long for a lock has changed nothing. */
async function updatePatiently(sql: Sql, url: string, { blocked = () => {}, signal }: MigrateOptions): Promise<void> {
  let watch: BlockerWatch | undefined
  try {
    for (; ; await sleep(RETRY_PAUSE_MS, undefined, { signal })) {
      try {
        return await (watch ? watch.during(() => update(sql)) : update(sql))
      } catch (error) {
        if (!isLockTimeout(error)) throw error
      }
      watch ??= new BlockerWatch(url, await pidOf(sql), blocked)
    }
  } finally {
    await watch?.end()
  }
}

async function update(sql: Sql): Promise<void> {
  await migrate(drizzle(sql), { migrationsFolder })
  await ensurePartitionsAhead(sql)
  await openFeedEpoch(sql)
}

async function pidOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  return row?.pid ?? 0
}
