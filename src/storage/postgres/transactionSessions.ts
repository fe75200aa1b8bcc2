import { drizzle } from 'drizzle-orm/postgres-js'
import type { Sql } from 'postgres'
import { Turns } from '../../concurrency/turns.js'
import { NotBegunError } from './postgresErrors.js'
import type { Call, Connections, Sessions } from './sessions.js'
import { inTransaction } from './transaction.js'

// A gateway that freezes or vanishes in the middle of a call would leave its transaction open, and the alerts of all gateways would
// wait for it. The caller has been answered before: a call ends after 1.3 s.
const IDLE_LIMIT_MS = 2_000

/**
 * Sessions behind a pooler that gives each transaction any session of the server. What a connection sets there would be lost, or
 * stay for others. So each call is a transaction that brings its own limits.
 */
export class TransactionSessions implements Sessions {
  readonly #all: readonly Sql[]
  readonly #idle: Connections[]
  readonly #turns: Turns
  readonly #longestMs: number

  /** `open` makes a driver with one connection. A statement may run for `longestMs`. */
  constructor(size: number, longestMs: number, open: () => Sql) {
    this.#all = Array.from({ length: size }, open)
    this.#idle = this.#all.map(sql => ({ sql, db: drizzle(sql, { casing: 'snake_case' }) }))
    this.#turns = new Turns(size)
    this.#longestMs = longestMs
  }

  run<T>(work: (connections: Connections) => Promise<T>, call: Call): Promise<T> {
    return this.#turns.run(async () => {
      const connections = this.#idle.pop() as Connections
      try {
        const limits = { statement_timeout: this.#longestMs, idle_in_transaction_session_timeout: IDLE_LIMIT_MS }
        return await inTransaction(connections.sql, limits, async () => {
          // The pooler may have let it wait for a session.
          if (call.isGivenUp) throw new NotBegunError()
          call.isSent = true
          return work(connections)
        })
      } finally {
        this.#idle.push(connections)
      }
    })
  }

  async end(timeoutSeconds: number): Promise<void> {
    this.#turns.giveUp(new NotBegunError())
    await Promise.all(this.#all.map(sql => sql.end({ timeout: timeoutSeconds })))
  }
}
