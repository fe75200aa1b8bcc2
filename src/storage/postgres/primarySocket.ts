import { connect, Socket } from 'node:net'
import type { Sql } from 'postgres'
import { inTime } from '../../concurrency/inTime.js'
import type { DatabaseHost } from '../../databaseUrl/databaseUrl.js'
import { postgresErrorCode } from './postgresErrors.js'

const TIMEOUT_MS = 1_000

/** The host answers, and takes no writes. */
class StandbyError extends Error {
  readonly code = '25006'
}

/** Opens a driver with one connection to one of the hosts. */
type OpenAt = (host: DatabaseHost) => Sql

/**
 * Makes sockets to the first of the hosts that says that it is no standby. All are asked at once: one that never answers must not delay
 * the others. The list of hosts of postgres.js would be the way, but while none answers it tries them in a loop without a pause.
 */
export function primarySocket(hosts: readonly DatabaseHost[], openAt: OpenAt): () => Promise<Socket> {
  return async () => {
    try {
      const { host, port } = await Promise.any(hosts.map(host => isPrimary(host, openAt)))
      // The driver checks the certificate against this name.
      const path = socketPath(host, port)
      return Object.assign(path === undefined ? connect(port, host) : connect(path), { host, port })
    } catch (error) {
      return brokenSocket(causeOf(error))
    }
  }
}

async function isPrimary(host: DatabaseHost, openAt: OpenAt): Promise<DatabaseHost> {
  const sql = openAt(host)
  try {
    const asked = sql<{ isStandby: boolean }[]>`select current_setting('in_hot_standby') = 'on' as "isStandby"`.execute()
    const [row] = await inTime(asked, TIMEOUT_MS, () => Object.assign(new Error('no answer'), { code: 'CONNECT_TIMEOUT' }))
    if (row?.isStandby) throw new StandbyError('standby')
    return host
  } finally {
    void sql.end({ timeout: 0 })
  }
}

/** The file of a Unix socket, where the host is its folder. */
function socketPath(host: string, port: number): string | undefined {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined
}

/** What most likely keeps the primary away: not that others are standbys. */
function causeOf(error: unknown): Error {
  const { errors } = error as AggregateError
  return errors.find(cause => !(cause instanceof StandbyError)) ?? errors[0]
}

/** The driver hears of a failure only from a socket. */
function brokenSocket(error: Error): Socket {
  const socket = new Socket()
  const failure = Object.assign(new Error('no primary'), { code: postgresErrorCode(error) })
  setImmediate(() => socket.destroy(failure))
  return socket
}
