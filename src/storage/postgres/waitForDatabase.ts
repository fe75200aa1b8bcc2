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
/** The server starts, recovers or stops, or has no connection left. */
const NOT_YET = new Set(['57P01', '57P03', '53300'])
const LOGIN_REFUSED = new Set(['28000', '28P01'])
const NO_SUCH_DATABASE = '3D000'

/**
 * Returns once the database of DATABASE_URL accepts a connection. `waiting` is called once if it does not at first.
 * @throws ConfigError at once when it refuses the login or does not exist, else after 10 s
 * @throws AbortError when the signal is aborted
 */
export async function waitForDatabase(url: string, waiting: (code: string) => void, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  let isReported = false
  for (;;) {
    signal?.throwIfAborted()
    const code = await connectionProblem(url, signal)
    signal?.throwIfAborted()
    if (code === undefined) return
    const mayPass = NOTHING_ANSWERS.has(code) || NOT_YET.has(code)
    if (!mayPass || performance.now() + PAUSE_MS > deadline)
      throw new ConfigError([`DATABASE_URL: ${sentence(new URL(url), code)}`])
    if (!isReported) waiting(code)
    isReported = true
    await sleep(PAUSE_MS, undefined, { signal })
  }
}

async function connectionProblem(url: string, signal?: AbortSignal): Promise<string | undefined> {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    fetch_types: false,
    connection: { application_name: 'riskgate:start' },
    onnotice: () => {},
  })
  const giveUp = () => void sql.end({ timeout: 0 })
  signal?.addEventListener('abort', giveUp)
  try {
    await sql`select 1`
    return undefined
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
