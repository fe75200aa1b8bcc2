import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Sql } from 'postgres'
import { type Blocker, BlockerWatch } from './postgres/blockerWatch.js'
import { openOwnersSession } from './postgres/driver.js'
import { openFeedEpoch } from './postgres/feedEpoch.js'
import { tryMigrationLock } from './postgres/migrationLock.js'
import { ensurePartitionsAhead, hasPartitionOfNow } from './postgres/partitions.js'
import { isCommitUnknown, isDataError, isLockTimeout, isNotPermitted } from './postgres/postgresErrors.js'
import { requireFunctions } from './postgres/requiredFunctions.js'
import { inTransaction } from './postgres/transaction.js'

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))
const LOCK_PAUSE_MS = 250
// Writers queue behind a migration that waits for a lock, and gateways give a write up after a second.
const LOCK_TIMEOUT_MS = 200
const RETRY_PAUSE_MS = 1_000
// After it, Postgres ends a migration whose gateway is gone, and frees its locks.
const CONNECTION_CHECK_MS = 1_000
// A migration that is frozen between two statements would keep its locks, and all gateways would wait for them.
const IDLE_LIMIT_MS = 10_000
// A role may have a limit of its own for statements, meant for gateways.
const LIMITS = { lock_timeout: LOCK_TIMEOUT_MS, statement_timeout: 0, idle_in_transaction_session_timeout: IDLE_LIMIT_MS }

export interface MigrateOptions {
  /** False: another step migrates, and a database that lacks a migration is refused. */
  readonly mayMigrate?: boolean | undefined
  /** Called once when another gateway is migrating and this one has to wait. */
  readonly waiting?: (() => void) | undefined
  /** Called for each new set of sessions whose locks the migration waits for. It is tried again until they are gone. */
  readonly blocked?: ((blockers: readonly Blocker[]) => void) | undefined
  /** Called where partitions of the coming months are missing, and this user may not create them. */
  readonly noPartitionsAhead?: (() => void) | undefined
  /** Ends the migration, or the wait for it, with an AbortError. */
  readonly signal?: AbortSignal | undefined
}

/** The database has migrations that this release does not know. */
export class NewerDatabaseError extends Error {}

/** The database lacks migrations of this release, and they may not be run from here. */
export class OlderDatabaseError extends Error {}

/**
 * Updates the database: migrations, partitions, the feed's epoch. Several gateways may do so at once.
 * @throws NewerDatabaseError, OlderDatabaseError, RefusedFunctionError, and AbortError when the signal is aborted
 */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<void> {
  const { signal } = options
  const sql = openOwnersSession(url, 'riskgate:migrate')
  const giveUp = () => void sql.end({ timeout: 0 })
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    await requireFunctions(sql)
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

/**
 * Each attempt is one transaction, which holds the lock: that of a session would stay with the connection of a pooler. An attempt
 * that waited too long for a lock has changed nothing.
 */
async function updatePatiently(sql: Sql, url: string, options: MigrateOptions): Promise<void> {
  const { waiting, blocked = () => {}, signal } = options
  let watch: BlockerWatch | undefined
  let isReported = false
  try {
    for (;;) {
      signal?.throwIfAborted()
      try {
        if (await inTransaction(sql, LIMITS, () => updateAlone(sql, options, watch))) return
      } catch (error) {
        if (!isLockTimeout(error)) throw error
        watch ??= new BlockerWatch(url, blocked)
        await sleep(RETRY_PAUSE_MS, undefined, { signal })
        continue
      }
      if (!isReported) waiting?.()
      isReported = true
      await sleep(LOCK_PAUSE_MS, undefined, { signal })
    }
  } finally {
    await watch?.end()
  }
}

/** False while another gateway migrates. A statement that waits inside Postgres could not be aborted, and nobody would hear of it. */
async function updateAlone(sql: Sql, options: MigrateOptions, watch: BlockerWatch | undefined): Promise<boolean> {
  const pid = await tryMigrationLock(sql)
  if (pid === undefined) return false
  await attempt(sql, () => sql.unsafe(`set local client_connection_check_interval = ${CONNECTION_CHECK_MS}`)).catch(error => {
    // A server on Windows cannot check its connections, and refuses the value.
    if (!isDataError(error)) throw error
  })
  const work = () => update(sql, options)
  await (watch ? watch.during(pid, work) : work())
  return true
}

async function update(sql: Sql, { mayMigrate = true, noPartitionsAhead }: MigrateOptions): Promise<void> {
  const { missing, unknown } = await migrationsOf(sql)
  if (unknown > 0) throw new NewerDatabaseError()
  if (missing > 0 && !mayMigrate) throw new OlderDatabaseError()
  if (missing > 0) await migrate(sql)
  await attempt(sql, () => ensurePartitionsAhead(sql)).catch(async error => {
    if (!isNotPermitted(error) || !(await hasPartitionOfNow(sql))) throw error
    noPartitionsAhead?.()
  })
  await openFeedEpoch(sql)
}

/** Runs the migrations that are missing, and notes them as Drizzle does, which would end the transaction. */
async function migrate(sql: Sql): Promise<void> {
  await sql`create schema if not exists drizzle`
  await sql`create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`
  const applied = await appliedMigrations(sql)
  for (const { sql: statements, hash, folderMillis } of readMigrationFiles({ migrationsFolder })) {
    if (applied.has(String(folderMillis))) continue
    for (const statement of statements) await sql.unsafe(statement)
    await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${hash}, ${folderMillis})`
  }
}

/** Runs a step of a transaction that may fail without ending it. */
async function attempt(sql: Sql, step: () => Promise<unknown>): Promise<void> {
  await sql`savepoint attempt`
  try {
    await step()
  } catch (error) {
    // On the connection that follows a broken one there is no such transaction.
    if (!isCommitUnknown(error)) await sql`rollback to savepoint attempt`
    throw error
  }
}

/** How many migrations of this release a database lacks, and how many it has that this release does not know. */
export async function migrationsOf(sql: Sql): Promise<{ missing: number; unknown: number }> {
  const known = new Set(readMigrationFiles({ migrationsFolder }).map(({ folderMillis }) => String(folderMillis)))
  const [table] = await sql<{ isMade: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as "isMade"`
  const applied = table?.isMade ? await appliedMigrations(sql) : new Set<string>()
  return {
    missing: [...known].filter(at => !applied.has(at)).length,
    unknown: [...applied].filter(at => !known.has(at)).length,
  }
}

/** The times of the migrations that were run, which name them. */
async function appliedMigrations(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql<{ at: string }[]>`select created_at::text as at from drizzle.__drizzle_migrations`
  return new Set(rows.map(({ at }) => at))
}
