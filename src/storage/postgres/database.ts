import { Turns } from '../../concurrency/turns.js'
import { AppError } from '../../errors.js'
import { type CallResult, ConnectionPool, type PoolUse, STATEMENT_TIMEOUT_MS } from './connectionPool.js'
import { openFeedEpoch } from './feedEpoch.js'
import {
  isCommitUnknown,
  isDeadlock,
  isMissingEpoch,
  isNotSent,
  isRefused,
  isTooSlow,
  postgresErrorCode,
  wordsOf,
} from './postgresErrors.js'
import type { Connections } from './sessions.js'
import { WriteTrial } from './writeTrial.js'

export type { Connections }

// As many as the statements that the prediction store runs at once.
const WRITE_CONNECTIONS = 2
const BULK_CONNECTIONS = 1
const BACKGROUND_CONNECTIONS = 1
const FEED_CONNECTIONS = 1
// Bulk statements take up to 100 ms each. A caller that sends a thousand rows may wait this long for its turn.
const LONGEST_WAIT_MS = 5_000
const RETRIES = 3
// An outage fails thousands of calls a second, all for the same reason.
const WARN_EVERY_MS = 1_000

export const FULL_PAGE_WRITES = 'full_page_writes'

export const POOL_NAMES = ['read', 'write', 'bulk', 'background', 'feed'] as const
export type PoolName = (typeof POOL_NAMES)[number]

export interface DatabaseSettings {
  readonly url: string
  /** Connections in all but those of the background and the feed, at least 4. */
  readonly poolSize: number
  /** Whether a pooler is in between, such as PgBouncer. Absent: there is none. */
  readonly isPooled?: boolean | undefined
  /** Whether the storage never writes half a page. Absent: it may. */
  readonly fullPageWritesMayBeOff?: boolean | undefined
  readonly warn: (message: string, fields: Record<string, unknown>) => void
  /** Called for each call; `seconds` includes its wait for a connection. Absent: nobody measures. */
  readonly called?: (pool: PoolName, result: CallResult, seconds: number) => void
}

/**
 * Postgres as the stores use it. Reads and writes have connections of their own: postgres.js sends a query behind those that a
 * busy connection already runs, and slow history pages would make predictions miss their deadline. So would bulk work: it has its
 * own connection, and its deadline begins only with its turn.
 */
export class Database {
  readonly #settings: DatabaseSettings
  #warnedAt = Number.NEGATIVE_INFINITY
  readonly #reads: ConnectionPool
  readonly #writes: ConnectionPool
  readonly #bulk: ConnectionPool
  readonly #background: ConnectionPool
  readonly #feed: ConnectionPool
  readonly #turns = new Turns(BULK_CONNECTIONS)
  readonly #trial = new WriteTrial({
    run: work => this.#writes.run(work),
    refused: reason => this.#settings.warn('Postgres refuses writes; this gateway is not ready', { reason }),
  })

  constructor(settings: DatabaseSettings) {
    this.#settings = settings
    this.#reads = openPool('read', settings, settings.poolSize - WRITE_CONNECTIONS - BULK_CONNECTIONS)
    this.#writes = openPool('write', settings, WRITE_CONNECTIONS)
    this.#bulk = openPool('bulk', settings, BULK_CONNECTIONS)
    this.#background = openPool('background', settings, BACKGROUND_CONNECTIONS)
    this.#feed = openPool('feed', settings, FEED_CONNECTIONS)
  }

  /** Whether a pooler is in between. */
  get isPooled(): boolean {
    return this.#settings.isPooled ?? false
  }

  /** The use of each group of connections. */
  get pools(): Readonly<Record<PoolName, PoolUse>> {
    const bulk = this.#bulk.use
    return {
      read: this.#reads.use,
      write: this.#writes.use,
      bulk: { ...bulk, waiting: bulk.waiting + this.#turns.waiting },
      background: this.#background.use,
      feed: this.#feed.use,
    }
  }

  /** Runs a read. SERVICE_UNAVAILABLE when Postgres does not answer. */
  async read<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#read(this.#reads, work)
  }

  /**
   * Runs a read of a few milliseconds that scoring, authentication or a repeated key depends on, on the connections for writes: no
   * slow history page is ahead of it.
   * @throws AppError SERVICE_UNAVAILABLE
   */
  async readAhead<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#read(this.#writes, work)
  }

  /**
   * Runs a read of webhook deliveries, of the audit's seals or of the version store, which must go on whatever analysts ask.
   * @throws AppError SERVICE_UNAVAILABLE
   */
  async readInBackground<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#read(this.#background, work)
  }

  /**
   * Runs a read of the alert feed as it grows: neither a slow history page nor a round of webhooks is ahead of it.
   * @throws AppError SERVICE_UNAVAILABLE
   */
  async readFeed<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#read(this.#feed, work)
  }

  /**
   * Runs one writing statement, and repeats it after a deadlock, or when the epoch of the server was not open.
   * @throws AppError SERVICE_UNAVAILABLE when nothing was written, OUTCOME_UNKNOWN when something may have been written
   */
  async write<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#write(this.#writes, work)
  }

  /**
   * Runs one writing statement of webhook deliveries or of a seal, which neither scores nor bulk work must wait for.
   * @throws AppError as `write` does
   */
  async writeInBackground<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#write(this.#background, work)
  }

  /**
   * Runs one writing statement that scoring must not wait for; one at a time.
   * @throws AppError as `write` does; SERVICE_UNAVAILABLE also when its turn did not come in time
   */
  async writeBulk<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    return this.#turns.run(
      async () => {
        try {
          return await write(this.#bulk, work)
        } catch (error) {
          // The statements behind it were not sent, and would wait for the same deadline, one after the other.
          if (isNotSent(error) || isCommitUnknown(error)) this.#turns.giveUp(unavailable(postgresErrorCode(error)))
          throw this.#translated(error, true)
        }
      },
      { longestWaitMs: LONGEST_WAIT_MS, tooLong: () => unavailable() },
    )
  }

  /** The reasons why this store cannot be trusted with a prediction; none when all is well. */
  async problems(): Promise<string[]> {
    try {
      // Asked on a connection for writes: slow history pages of one analyst must not take a replica out of service.
      const unsafe = await this.#writes.run(
        ({ sql }) => sql<{ name: string }[]>`
          select name from unnest(array['fsync', 'synchronous_commit', 'full_page_writes']) name where current_setting(name) = 'off'`,
      )
      const refusal = await this.#trial.problem()
      return [
        ...unsafe.filter(({ name }) => !this.#mayBeOff(name)).map(({ name }) => unsafeSetting(name)),
        ...(refusal === undefined ? [] : [refusal]),
      ]
    } catch (error) {
      const refused = isRefused(error) ? `Postgres refuses a question of readiness (${postgresErrorCode(error)})` : undefined
      return [this.#trial.failed(error) ?? refused ?? 'Postgres does not answer']
    }
  }

  /** Whether Postgres ends a statement that takes too long: something in between may have dropped the limit. @throws AppError SERVICE_UNAVAILABLE */
  async isTimeLimited(): Promise<boolean> {
    const [row] = await this.readAhead(
      ({ sql }) => sql<{ limit: string }[]>`select setting as limit from pg_settings where name = 'statement_timeout'`,
    )
    return Number(row?.limit) === STATEMENT_TIMEOUT_MS
  }

  /** Why Postgres refuses writes, by a trial that leaves nothing behind; undefined where it takes them. Rejects without an answer. */
  refusesWrites(): Promise<string | undefined> {
    return this.#trial.problem()
  }

  async close(): Promise<void> {
    await Promise.all([this.#reads, this.#writes, this.#bulk, this.#background, this.#feed].map(pool => pool.close()))
  }

  async #read<T>(pool: ConnectionPool, work: (connections: Connections) => Promise<T>): Promise<T> {
    try {
      return await pool.run(work)
    } catch (error) {
      throw this.#translated(error, false)
    }
  }

  async #write<T>(pool: ConnectionPool, work: (connections: Connections) => Promise<T>): Promise<T> {
    try {
      return await write(pool, work)
    } catch (error) {
      throw this.#translated(error, true)
    }
  }

  #mayBeOff(name: string): boolean {
    return name === FULL_PAGE_WRITES && this.#settings.fullPageWritesMayBeOff === true
  }

  #translated(error: unknown, isWrite: boolean): unknown {
    if (error instanceof AppError) return error
    const code = postgresErrorCode(error)
    if (isWrite) this.#trial.failed(error)
    if (isWrite && isCommitUnknown(error)) {
      this.#warn('it is unknown whether a write was committed', code)
      return outcomeUnknown()
    }
    if (isNotSent(error) || isCommitUnknown(error) || isTooSlow(error) || isDeadlock(error)) {
      this.#warn('Postgres is not available', code)
      return unavailable(code)
    }
    if (isRefused(error)) {
      this.#warn('Postgres refuses a statement: a right, table, column or function is missing', code)
      return unavailable(code, wordsOf(error))
    }
    return error
  }

  #warn(message: string, code: string): void {
    const now = performance.now()
    if (now - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = now
    this.#settings.warn(message, { code })
  }
}

function openPool(name: PoolName, { url, isPooled = false, warn, called }: DatabaseSettings, size: number): ConnectionPool {
  return new ConnectionPool({ url, size, isPooled, warn, called: (result, seconds) => called?.(name, result, seconds) })
}

/** The error of a write that may have been committed. */
export function outcomeUnknown(): AppError {
  return new AppError(
    'OUTCOME_UNKNOWN',
    'The store did not confirm in time, and may have stored this or not. Send the same again: a score with its idempotency key.',
  )
}

function unsafeSetting(name: string): string {
  const says = `Postgres runs with ${name} = off: acknowledged predictions could be lost`
  return name === FULL_PAGE_WRITES ? `${says}, unless RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF says why not` : says
}

/** Repeats a write that Postgres ended to resolve a deadlock, or that lacked its epoch: either way nothing was written. */
async function write<T>(pool: ConnectionPool, work: (connections: Connections) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.run(work)
    } catch (error) {
      const isMissing = isMissingEpoch(error)
      if (!(isMissing || isDeadlock(error)) || attempt > RETRIES) throw error
      if (isMissing) await pool.run(({ sql }) => openFeedEpoch(sql))
    }
  }
}

/** Keeps the code of the cause, not its message, which may hold parameters; only that of a refusal, for an operator. */
function unavailable(code?: string, says?: string): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The store is not available at the moment. Try again shortly.', {
    cause: { code, says },
  })
}
