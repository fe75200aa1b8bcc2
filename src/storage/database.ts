import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres, { type Sql } from 'postgres'
import { AppError } from '../errors.js'
import { isNotSent, isOutcomeUnknown, isTooSlow, isUnstorableText, postgresErrorCode } from './postgresErrors.js'

// Postgres ends a statement of ours at the first; a Postgres that does not even do that by the second is frozen or gone.
const STATEMENT_TIMEOUT_MS = 1_000
const DEADLINE_MS = 1_300
const CONNECT_TIMEOUT_SECONDS = 1
const LONGEST_RECONNECT_PAUSE_SECONDS = 0.5

export interface DatabaseSettings {
  readonly url: string
  readonly poolSize: number
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** One generation of connections, as Drizzle and as plain postgres.js. */
export interface Connections {
  readonly db: PostgresJsDatabase
  readonly sql: Sql
}

/**
 * The connection pool, with a deadline on every call: postgres.js has none, and a frozen server would hang its callers for ever.
 * At the deadline the whole pool is replaced.
 */
export class Database {
  readonly #settings: DatabaseSettings
  #connections: Connections

  constructor(settings: DatabaseSettings) {
    this.#settings = settings
    this.#connections = this.#open()
  }

  /** Runs a read. SERVICE_UNAVAILABLE when Postgres does not answer. */
  async read<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    try {
      return await this.#withDeadline(work)
    } catch (error) {
      throw this.#translated(error, false)
    }
  }

  /**
   * Runs one writing statement.
   * @throws AppError SERVICE_UNAVAILABLE when it certainly did not happen, OUTCOME_UNKNOWN when it may have
   */
  async write<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    try {
      return await this.#withDeadline(work)
    } catch (error) {
      throw this.#translated(error, true)
    }
  }

  /** What keeps this store from being trusted with a prediction; nothing when all is well. */
  async problems(): Promise<string[]> {
    try {
      const unsafe = await this.read(
        ({ sql }) => sql<{ name: string }[]>`
          select name from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'`,
      )
      return unsafe.map(({ name }) => `Postgres runs with ${name} = off: acknowledged predictions could be lost`)
    } catch {
      return ['Postgres does not answer']
    }
  }

  async close(): Promise<void> {
    await this.#connections.sql.end({ timeout: 1 })
  }

  #open(): Connections {
    const sql = postgres(this.#settings.url, {
      max: this.#settings.poolSize,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      backoff: attempt => Math.min(0.05 * attempt, LONGEST_RECONNECT_PAUSE_SECONDS),
      connection: { application_name: `riskgate:${process.pid}`, statement_timeout: STATEMENT_TIMEOUT_MS },
      onnotice: () => {},
    })
    return { sql, db: drizzle(sql, { casing: 'snake_case' }) }
  }

  async #withDeadline<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    const connections = this.#connections
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#replace(connections)
        reject(new Error('deadline passed'))
      }, DEADLINE_MS)
    })
    try {
      return await Promise.race([work(connections), deadline])
    } finally {
      clearTimeout(timer)
    }
  }

  #replace(frozen: Connections): void {
    if (this.#connections !== frozen) return
    this.#settings.warn('Postgres did not answer in time; its connections are replaced', { deadlineMs: DEADLINE_MS })
    this.#connections = this.#open()
    void frozen.sql.end({ timeout: 0 })
  }

  #translated(error: unknown, isWrite: boolean): unknown {
    if (error instanceof AppError) return error
    const code = postgresErrorCode(error)
    if (isWrite && isOutcomeUnknown(error)) {
      this.#settings.warn('the outcome of a write is unknown', { code })
      return new AppError(
        'OUTCOME_UNKNOWN',
        'The connection to the store broke before it confirmed. Retry with the same idempotency key, or ask predictionByKey.',
      )
    }
    if (isNotSent(error) || isOutcomeUnknown(error) || isTooSlow(error)) {
      this.#settings.warn('Postgres is not available', { code })
      return new AppError('SERVICE_UNAVAILABLE', 'The store is not available at the moment. Try again shortly.')
    }
    if (isUnstorableText(error)) return new AppError('BAD_USER_INPUT', 'A text holds a NUL character, which cannot be stored.')
    return error
  }
}
