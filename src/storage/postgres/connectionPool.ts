import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres, { type Sql } from 'postgres'
import { inTime } from '../../concurrency/inTime.js'
import { DeadlineError } from './postgresErrors.js'

// Postgres ends a statement after the first time. A Postgres that has not even done that after the second is frozen or gone.
const STATEMENT_TIMEOUT_MS = 1_000
const DEADLINE_MS = 1_300
const CONNECT_TIMEOUT_SECONDS = 1
const LONGEST_RECONNECT_PAUSE_SECONDS = 0.5
// For the server: when the network vanishes in the middle of a statement, its session waits with an open transaction, which holds
// back everybody's alert feed. Postgres gives the session up after 5 + 3 * 2 seconds, not after the two hours of most systems.
const KEEPALIVES = { tcp_keepalives_idle: 5, tcp_keepalives_interval: 2, tcp_keepalives_count: 3 }
// Instants that arrive as text are parsed in this form; a database may be set to another one.
const FORMS = { DateStyle: 'ISO', TimeZone: 'UTC' }

/** The name of this gateway's sessions in Postgres. */
export const APPLICATION_NAME = `riskgate:${process.pid}`

/** `late`: past the deadline. */
export const CALL_RESULTS = ['ok', 'failed', 'late'] as const
export type CallResult = (typeof CALL_RESULTS)[number]

export interface ConnectionPoolSettings {
  readonly url: string
  readonly size: number
  readonly warn: (message: string, fields: Record<string, unknown>) => void
  /** Called for each call; `seconds` includes its wait for a connection. */
  readonly called: (result: CallResult, seconds: number) => void
}

export interface PoolUse {
  readonly size: number
  readonly running: number
  readonly waiting: number
}

/** One generation of connections, as Drizzle and as plain postgres.js. */
export interface Connections {
  readonly db: PostgresJsDatabase
  readonly sql: Sql
}

/**
 * Connections with a deadline on every call: postgres.js has none, and a frozen server would hang its callers for ever. When no
 * call was answered for that long, the whole pool is replaced.
 */
export class ConnectionPool {
  readonly #settings: ConnectionPoolSettings
  #connections: Connections
  #answeredAt = 0
  #running = 0

  constructor(settings: ConnectionPoolSettings) {
    this.#settings = settings
    this.#connections = this.#open()
  }

  /** Its connections, and the calls that run or wait for one: each connection takes one call at a time. */
  get use(): PoolUse {
    const { size } = this.#settings
    return { size, running: Math.min(size, this.#running), waiting: Math.max(0, this.#running - size) }
  }

  async run<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    let result: CallResult = 'failed'
    this.#running++
    try {
      const answer = await this.#answer(work, () => (result = 'late'))
      result = 'ok'
      return answer
    } finally {
      this.#running--
      this.#settings.called(result, (performance.now() - startedAt) / 1_000)
    }
  }

  async #answer<T>(work: (connections: Connections) => Promise<T>, late: () => void): Promise<T> {
    const connections = this.#connections
    const answer = await inTime(work(connections), DEADLINE_MS, () => {
      late()
      // A pool that answered other calls in that time is busy, not frozen: their work must not be thrown away.
      if (performance.now() - this.#answeredAt >= DEADLINE_MS) this.#replace(connections)
      return new DeadlineError()
    })
    this.#answeredAt = performance.now()
    return answer
  }

  async close(): Promise<void> {
    await this.#connections.sql.end({ timeout: 1 })
  }

  #open(): Connections {
    const sql = postgres(this.#settings.url, {
      max: this.#settings.size,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      backoff: attempt => Math.min(0.05 * attempt, LONGEST_RECONNECT_PAUSE_SECONDS),
      connection: { application_name: APPLICATION_NAME, statement_timeout: STATEMENT_TIMEOUT_MS, ...KEEPALIVES, ...FORMS },
      onnotice: () => {},
    })
    return { sql, db: drizzle(sql, { casing: 'snake_case' }) }
  }

  #replace(frozen: Connections): void {
    if (this.#connections !== frozen) return
    this.#settings.warn('Postgres did not answer in time; its connections are replaced', { deadlineMs: DEADLINE_MS })
    this.#connections = this.#open()
    void frozen.sql.end({ timeout: 0 })
  }
}
