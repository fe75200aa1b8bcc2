import { drizzle } from 'drizzle-orm/postgres-js'
import { inTime } from '../../concurrency/inTime.js'
import { driverOf, type OpenDriver } from './driver.js'
import { DeadlineError, NotBegunError } from './postgresErrors.js'
import type { Call, Connections, Sessions } from './sessions.js'
import { TransactionSessions } from './transactionSessions.js'

// Postgres ends a statement after the first time. A Postgres that has not even done that after the second is frozen or gone.
export const STATEMENT_TIMEOUT_MS = 1_000
const DEADLINE_MS = 1_300
const CONNECT_TIMEOUT_SECONDS = 1
const LONGEST_RECONNECT_PAUSE_SECONDS = 0.5
// For the server: when the network vanishes in the middle of a statement, its session waits with an open transaction, which holds
// back everybody's alert feed. Postgres gives the session up after 5 + 3 * 2 seconds, not after the two hours of most systems.
const KEEPALIVES = { tcp_keepalives_idle: 5, tcp_keepalives_interval: 2, tcp_keepalives_count: 3 }
// Instants that arrive as text are parsed in this form; a database may be set to another one.
const FORMS = { DateStyle: 'ISO', TimeZone: 'UTC' }
// A probability is read with all its digits; a role or a database may be set to fewer, and a replay would differ from the first answer.
const ALL_DIGITS = { extra_float_digits: 1 }

/** The name of this gateway's sessions in Postgres. */
export const APPLICATION_NAME = `riskgate:${process.pid}`

const COMMON = {
  connect_timeout: CONNECT_TIMEOUT_SECONDS,
  backoff: (attempt: number) => Math.min(0.05 * attempt, LONGEST_RECONNECT_PAUSE_SECONDS),
  onnotice: () => {},
}
const DIRECT = {
  ...COMMON,
  connection: {
    application_name: APPLICATION_NAME,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    ...KEEPALIVES,
    ...FORMS,
    ...ALL_DIGITS,
  },
}
const POOLED = {
  ...COMMON,
  max: 1,
  // It would end in the middle of a transaction. The pooler limits the age of its own connections.
  max_lifetime: null,
  // A named statement stays with one session of the server, and the next call gets another one.
  prepare: false,
  // A pooler refuses other parameters, or ignores them.
  connection: { application_name: APPLICATION_NAME, ...FORMS },
}

/** `late`: past the deadline. */
export const CALL_RESULTS = ['ok', 'failed', 'late'] as const
export type CallResult = (typeof CALL_RESULTS)[number]

export interface ConnectionPoolSettings {
  readonly url: string
  readonly size: number
  /** Whether a pooler is in between, such as PgBouncer. */
  readonly isPooled: boolean
  readonly warn: (message: string, fields: Record<string, unknown>) => void
  /** Called for each call; `seconds` includes its wait for a connection. */
  readonly called: (result: CallResult, seconds: number) => void
}

export interface PoolUse {
  readonly size: number
  readonly running: number
  readonly waiting: number
}

/**
 * Connections with a deadline on every call: postgres.js has none, and a frozen server would hang its callers for ever. When no
 * call was answered for that long, the whole pool is replaced.
 */
export class ConnectionPool {
  readonly #settings: ConnectionPoolSettings
  readonly #driver: OpenDriver
  #sessions: Sessions
  #answeredAt = 0
  #running = 0

  constructor(settings: ConnectionPoolSettings) {
    this.#settings = settings
    this.#driver = driverOf(settings.url)
    this.#sessions = this.#open()
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
    const sessions = this.#sessions
    const call: Call = { isSent: false, isGivenUp: false }
    const answer = await inTime(sessions.run(work, call), DEADLINE_MS, () => {
      late()
      call.isGivenUp = true
      // A pool that answered other calls in that time is busy, not frozen: their work must not be thrown away.
      if (performance.now() - this.#answeredAt >= DEADLINE_MS) this.#replace(sessions)
      return call.isSent ? new DeadlineError() : new NotBegunError()
    })
    this.#answeredAt = performance.now()
    return answer
  }

  async close(): Promise<void> {
    await this.#sessions.end(1)
  }

  #open(): Sessions {
    const { size, isPooled } = this.#settings
    if (isPooled) {
      const settings = { statement_timeout: STATEMENT_TIMEOUT_MS, ...ALL_DIGITS }
      return new TransactionSessions(size, settings, () => this.#driver(POOLED))
    }
    const sql = this.#driver({ ...DIRECT, max: size })
    const connections = { sql, db: drizzle(sql, { casing: 'snake_case' }) }
    return {
      run(work, call) {
        call.isSent = true
        return work(connections)
      },
      end: timeout => sql.end({ timeout }),
    }
  }

  #replace(frozen: Sessions): void {
    if (this.#sessions !== frozen) return
    this.#settings.warn('Postgres did not answer in time; its connections are replaced', { deadlineMs: DEADLINE_MS })
    this.#sessions = this.#open()
    void frozen.end(0)
  }
}
