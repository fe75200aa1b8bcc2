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
  const session = await begin(sql, localSettings)
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

/** Answers the session that the transaction runs in. */
async function begin(sql: Sql, localSettings: Readonly<Record<string, number>>): Promise<{ pid: number; secret: number }> {
  const settings = Object.entries(localSettings).map(([name, value]) => `; set local ${name} = ${value}`)
  const ask = () => sql.unsafe(`begin${settings.join('')}`)
  try {
    // A pooler that has lost a session ends the connection a moment later. The next one may do.
    const { state } = await ask().catch(error => {
      if (isCommitUnknown(error)) return ask()
      throw error
    })
    // A copy: the driver keeps one object for all sessions of a connection.
    return { pid: state.pid, secret: state.secret }
  } catch (error) {
    throw isNotSent(error) ? error : new NotBegunError()
  }
}
