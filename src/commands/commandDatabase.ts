import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { Config } from '../config/config.js'
import { makeStateDirectory } from '../config/stateDirectory.js'
import { AppError, ConfigError } from '../errors.js'
import { startEmbeddedPostgres } from '../storage/embedded/embeddedPostgres.js'
import { Database } from '../storage/postgres/database.js'
import { isMissingTable, isNotPermitted, postgresErrorCode, wordsOf } from '../storage/postgres/postgresErrors.js'
import { type DatabaseAccess, waitForDatabase } from '../storage/postgres/waitForDatabase.js'
import { outliveLostTypeFetch } from './lostTypeFetch.js'
import { EXIT_CODES, onStopSignal } from './stopSignals.js'

const CONNECTIONS = 4

/** A database that a command uses, and how to leave it. */
interface CommandDatabase extends DatabaseAccess {
  readonly url: string
  readonly leave: () => Promise<void>
}

/**
 * Opens the database of the settings. An embedded one keeps running where a gateway uses it, and stops otherwise. `waiting` is
 * called while the database does not answer yet.
 * @throws ConfigError when there is none
 */
async function openCommandDatabase(
  { databaseUrl, stateDirectory }: Config,
  waiting: (code: string) => void,
  signal: AbortSignal | undefined,
): Promise<CommandDatabase> {
  if (databaseUrl !== undefined) {
    const access = await waitForDatabase(databaseUrl, waiting, signal)
    return { ...access, url: databaseUrl, leave: async () => {} }
  }
  if (!existsSync(stateDirectory)) {
    throw new ConfigError([
      `DATABASE_URL is not set, and RISKGATE_STATE_DIR (${stateDirectory}) does not exist. Set one of them, or start the gateway first.`,
    ])
  }
  await makeStateDirectory(stateDirectory)
  const embedded = await startEmbeddedPostgres({ stateDirectory, log: () => {}, signal })
  return { url: embedded.url, isPooled: false, leave: () => embedded.stop() }
}

type Work<T> = (database: Database) => Promise<T>

/**
 * Runs the work of a command on the database of the settings. `signal` ends the wait for it.
 * @throws ConfigError when there is none that can be used; Error with a sentence for anything else
 */
export async function withDatabase<T>(config: Config, quiet: boolean, work: Work<T>, signal?: AbortSignal): Promise<T> {
  const waiting = (code: string) => quiet || process.stderr.write(`riskgate: waiting for the database (${code})\n`)
  outliveLostTypeFetch()
  const { url, isPooled, leave } = await openCommandDatabase(config, waiting, signal)
  const database = new Database({ url, isPooled, poolSize: CONNECTIONS, warn: () => {} })
  try {
    return await work(database)
  } catch (error) {
    throw explained(error)
  } finally {
    await database.close()
    await leave()
  }
}

/**
 * Like `withDatabase`, for work that may end anywhere. At SIGINT, SIGTERM or SIGHUP an embedded database is left in order, and then
 * the process ends.
 */
export async function withDatabaseUntilSignal<T>(config: Config, work: Work<T>): Promise<T> {
  const stopped = new AbortController()
  const { signal } = stopped
  const interrupted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  // Nobody else hears of it while the database is only coming up.
  interrupted.catch(() => {})
  let exitCode: number | undefined
  onStopSignal({
    first: given => {
      exitCode = EXIT_CODES[given]
      stopped.abort()
    },
    again: () => process.exit(exitCode),
  })
  try {
    return await withDatabase(config, false, database => Promise.race([work(database), interrupted]), signal)
  } catch (error) {
    if (exitCode !== undefined) process.exit(exitCode)
    throw error
  }
}

/** The principal that the audit shows for a command: the user of the operating system. */
export function operator(): string {
  try {
    return `cli:${userInfo().username}`
  } catch {
    return `cli:uid-${process.getuid?.()}`
  }
}

function explained(error: unknown): unknown {
  if (isMissingTable(error))
    return new Error(
      'The tables of this database are not of this version: start the gateway, or run `riskgate migrate` where DATABASE_URL is set.',
    )
  if (isNotPermitted(error))
    return new Error(
      `The user of DATABASE_URL lacks a right there (42501). PostgreSQL says: ${wordsOf(error)}. docs/operations/database.md lists the rights.`,
    )
  // Messages of the database may hold values of parameters.
  const code = postgresErrorCode(error)
  if (error instanceof AppError || code === 'UNKNOWN' || /^E[A-Z]+$/.test(code)) return error
  return new Error(`The database failed (${code}).`)
}
