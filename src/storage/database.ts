import { AppError } from '../errors.js'
import { ConnectionPool, type Connections } from './connectionPool.js'
import { isNotSent, isOutcomeUnknown, isTooSlow, isUnstorableText, postgresErrorCode } from './postgresErrors.js'

export type { Connections }

// As many as statements that the prediction store runs at once.
const WRITE_CONNECTIONS = 2
// An outage fails thousands of calls a second, and each for the same reason.
const WARN_EVERY_MS = 1_000

export interface DatabaseSettings {
  readonly url: string
  /** Connections in all, at least 3. */
  readonly poolSize: number
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/**
 * Postgres as the stores use it. Reads and writes have connections of their own: postgres.js sends a query behind those that a busy
 * connection already runs, and slow history pages would make predictions miss their deadline.
 */
export class Database {
  readonly #settings: DatabaseSettings
  #warnedAt = Number.NEGATIVE_INFINITY
  readonly #reads: ConnectionPool
  readonly #writes: ConnectionPool

  constructor(settings: DatabaseSettings) {
    this.#settings = settings
    this.#reads = new ConnectionPool({ ...settings, size: settings.poolSize - WRITE_CONNECTIONS })
    this.#writes = new ConnectionPool({ ...settings, size: WRITE_CONNECTIONS })
  }

  /** Runs a read. SERVICE_UNAVAILABLE when Postgres does not answer. */
  async read<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    try {
      return await this.#reads.run(work)
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
      return await this.#writes.run(work)
    } catch (error) {
      throw this.#translated(error, true)
    }
  }

  /** What keeps this store from being trusted with a prediction; nothing when all is well. */
  async problems(): Promise<string[]> {
    try {
      // Asked as a write would be: slow history pages of one analyst must not take a replica out of service.
      const unsafe = await this.#writes.run(
        ({ sql }) => sql<{ name: string }[]>`
          select name from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') and setting = 'off'`,
      )
      return unsafe.map(({ name }) => `Postgres runs with ${name} = off: acknowledged predictions could be lost`)
    } catch {
      return ['Postgres does not answer']
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#reads.close(), this.#writes.close()])
  }

  #translated(error: unknown, isWrite: boolean): unknown {
    if (error instanceof AppError) return error
    const code = postgresErrorCode(error)
    if (isWrite && isOutcomeUnknown(error)) {
      this.#warn('the outcome of a write is unknown', code)
      return new AppError(
        'OUTCOME_UNKNOWN',
        'The connection to the store broke before it confirmed. Send the same again: a score with its idempotency key, or ask predictionByKey.',
      )
    }
    if (isNotSent(error) || isOutcomeUnknown(error) || isTooSlow(error)) {
      this.#warn('Postgres is not available', code)
      return new AppError('SERVICE_UNAVAILABLE', 'The store is not available at the moment. Try again shortly.')
    }
    if (isUnstorableText(error)) return new AppError('BAD_USER_INPUT', 'A text holds a NUL character, which cannot be stored.')
    return error
  }

  #warn(message: string, code: string): void {
    const now = performance.now()
    if (now - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = now
    this.#settings.warn(message, { code })
  }
}
