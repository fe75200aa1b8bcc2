import type { Sql } from 'postgres'
import { isCommitUnknown, isNotSent, postgresErrorCode } from './postgresErrors.js'

/**
 * Functions without which scores and the alert feed are not possible, each in a call that changes nothing. Managed servers may refuse
 * others, such as positions in the log: riskgate goes on without these.
 */
const REQUIRED: Readonly<Record<string, string>> = {
  pg_postmaster_start_time: 'pg_postmaster_start_time()',
  pg_current_snapshot: 'pg_current_snapshot()',
  pg_snapshot_xmin: 'pg_snapshot_xmin(pg_current_snapshot())',
  pg_snapshot_xmax: 'pg_snapshot_xmax(pg_current_snapshot())',
  pg_current_xact_id: 'pg_current_xact_id()',
  // The locks of its own transaction, which ends at once.
  pg_try_advisory_xact_lock: 'pg_try_advisory_xact_lock(7475002418)',
}

/** The server refuses a function that riskgate cannot do without. */
export class RefusedFunctionError extends Error {
  readonly code: string

  constructor(name: string, code: string) {
    super(`${name}()`)
    this.code = code
  }
}

/** @throws RefusedFunctionError for the first of the required functions that the server refuses */
export async function requireFunctions(sql: Sql): Promise<void> {
  for (const [name, call] of Object.entries(REQUIRED)) {
    await sql.unsafe(`select ${call}`).catch((error: unknown) => {
      const code = postgresErrorCode(error)
      // The server is away, or is a standby, which gives out no transactions.
      if (isCommitUnknown(error) || (isNotSent(error) && code !== '55000')) throw error
      throw new RefusedFunctionError(name, code)
    })
  }
}
