import { once } from 'node:events'
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

/**
 * The driver hears of a failure only from a socket. It takes this one for connected and writes at once, and that write must fail: a
 * socket that ends before it leaves the text in the driver, which then never begins the next connection.
 */
class UnconnectedSocket extends Socket {
  readonly #failure: Error

  constructor(cause: unknown) {
    super()
    this.#failure = Object.assign(new Error('no primary'), { code: postgresErrorCode(cause) })
  }

  override _write(_chunk: unknown, _encoding: string, done: (error: Error) => void): void {
    done(this.#failure)
  }
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
      return await connectedTo(await Promise.any(hosts.map(host => isPrimary(host, openAt))))
    } catch (error) {
      return new UnconnectedSocket(causeOf(error))
    }
  }
}

async function isPrimary(host: DatabaseHost, openAt: OpenAt): Promise<DatabaseHost> {
  const sql = openAt(host)
  try {
    const asked = sql<{ isStandby: boolean }[]>`select current_setting('in_hot_standby') = 'on' as "isStandby"`.execute()
    const [row] = await inTime(asked, TIMEOUT_MS, noAnswer)
    if (row?.isStandby) throw new StandbyError('standby')
    return host
  } finally {
    void sql.end({ timeout: 0 })
  }
}

async function connectedTo({ host, port }: DatabaseHost): Promise<Socket> {
  const path = socketPath(host, port)
  const socket = path === undefined ? connect(port, host) : connect(path)
  try {
    await inTime(once(socket, 'connect'), TIMEOUT_MS, noAnswer)
  } catch (error) {
    socket.destroy()
    throw error
  }
  // The driver checks the certificate against this name.
  return Object.assign(socket, { host, port })
}

/** The file of a Unix socket, where the host is its folder. */
function socketPath(host: string, port: number): string | undefined {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : undefined
}

/** What most likely keeps the primary away: not that others are standbys. */
function causeOf(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error
  return error.errors.find(cause => !(cause instanceof StandbyError)) ?? error.errors[0]
}

function noAnswer(): Error {
  return Object.assign(new Error('no answer'), { code: 'CONNECT_TIMEOUT' })
}
