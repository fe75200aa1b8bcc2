import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { ConfigError } from '../../errors.js'
import { postgresErrorCode } from './postgresErrors.js'

// A database that is started together with the gateway is often some seconds behind it.
const PATIENCE_MS = 10_000
const PAUSE_MS = 250
const CONNECT_TIMEOUT_SECONDS = 5

const NOTHING_ANSWERS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
])
/** The server starts, recovers or stops, or has no connection left; 08P01: a pooler does not reach it. */
const NOT_YET = new Set(['57P01', '57P03', '53300', '08P01'])
const LOGIN_REFUSED = new Set(['28000', '28P01'])
const NO_SUCH_DATABASE = '3D000'

/** What is known of a database that accepts connections. */
export interface DatabaseAccess {
  /** Whether a pooler is in between, such as PgBouncer: the session that it names is not that of the server. */
  readonly isPooled: boolean
}

/**
 * Returns once the database of DATABASE_URL accepts a connection. `waiting` is called once if it does not at first.
 * @throws ConfigError at once when it refuses the login or does not exist, else after 10 s
 * @throws AbortError when the signal is aborted
 */
export async function waitForDatabase(
  url: string,
  waiting: (code: string) => void,
  signal?: AbortSignal,
): Promise<DatabaseAccess> {
  const deadline = performance.now() + PATIENCE_MS
  let isReported = false
  for (;;) {
    signal?.throwIfAborted()
    const found = await tryConnection(url, signal)
    signal?.throwIfAborted()
    if (typeof found !== 'string') return found
    const code = found
    const mayPass = NOTHING_ANSWERS.has(code) || NOT_YET.has(code)
    if (!mayPass || performance.now() + PAUSE_MS > deadline)
      throw new ConfigError([`DATABASE_URL: ${sentence(new URL(url), code)}`])
    if (!isReported) waiting(code)
    isReported = true
    await sleep(PAUSE_MS, undefined, { signal })
  }
}

/** Answers the code of an error where it does not work. */
async function tryConnection(url: string, signal?: AbortSignal): Promise<DatabaseAccess | string> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    fetch_types: false,
    prepare: false,
    connection: { application_name: 'riskgate:start' },
    onnotice: () => {},
  })
  const giveUp = () => void sql.end({ timeout: 0 })
  signal?.addEventListener('abort', giveUp)
  try {
    const rows = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
    return { isPooled: rows[0]?.pid !== rows.state.pid }
  } catch (error) {
    return postgresErrorCode(error)
  } finally {
    signal?.removeEventListener('abort', giveUp)
    await sql.end({ timeout: 0 })
  }
}

/** Without the password, which the URL may hold. */
function sentence({ host, pathname }: URL, code: string): string {
  if (NOTHING_ANSWERS.has(code)) return `no PostgreSQL answers at ${host} (${code}).`
  if (NOT_YET.has(code)) return `the PostgreSQL at ${host} does not take connections yet (${code}).`
  if (LOGIN_REFUSED.has(code)) return `the PostgreSQL at ${host} refuses this user or password.`
  if (code === NO_SUCH_DATABASE) return `the PostgreSQL at ${host} has no database "${pathname.slice(1)}".`
  return `the PostgreSQL at ${host} cannot be used (${code}).`
}
