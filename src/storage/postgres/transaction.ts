import type { Sql } from 'postgres'
import { ConnectionLostError, isCommitUnknown, isNotSent, NotBegunError } from './postgresErrors.js'

/**
 * Runs the work as one transaction under settings that end with it. `sql` must have a single connection, which nobody else uses
 * meanwhile, and which does not end by its age. For postgres.js, `sql.begin` would be the way; but when the connection breaks it
 * sends what follows into a socket that is gone, and the process ends.
 * @throws what the work throws; NotBegunError when nothing of the work was sent
 */
export async function inTransaction<T>(
  sql: Sql,
  localSettings: Readonly<Record<string, number>>,
  work: () => Promise<T>,
): Promise<T> {
  const settings = Object.entries(localSettings).map(([name, value]) => `; set local ${name} = ${value}`)
  const session = await sql.unsafe(`begin${settings.join('')}`).then(
    // A copy: the driver keeps one object for all sessions of a connection.
    ({ state }) => ({ ...state }),
    error => {
      throw isNotSent(error) ? error : new NotBegunError()
    },
  )
  let result: T
  try {
    result = await work()
  } catch (error) {
    // The end of a connection has rolled it back, and waiting for another connection would only delay the caller.
    if (!isCommitUnknown(error)) await sql.unsafe('rollback').catch(() => {})
    throw error
  }
  const { command, state } = await sql.unsafe('commit')
  // PostgreSQL answers ROLLBACK after an error that the work has ignored. Without a transaction, as on a new connection after a
  // break, it answers COMMIT.
  if (command !== 'COMMIT' || state.pid !== session.pid || state.secret !== session.secret) throw new ConnectionLostError()
  return result
}
