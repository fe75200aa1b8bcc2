import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { Sql } from 'postgres'

/** Connections as Drizzle and as plain postgres.js. */
export interface Connections {
  readonly db: PostgresJsDatabase
  readonly sql: Sql
}

/** What a call and its sessions tell each other. */
export interface Call {
  /** Whether a statement of it may have reached the server. */
  isSent: boolean
  /** Whether its caller was answered at the deadline. */
  isGivenUp: boolean
}

/** One generation of connections. */
export interface Sessions {
  run<T>(work: (connections: Connections) => Promise<T>, call: Call): Promise<T>
  end(timeoutSeconds: number): Promise<void>
}
