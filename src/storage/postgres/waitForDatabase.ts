import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { inTime } from '../../concurrency/inTime.js'
import { ConfigError } from '../../errors.js'
import { type AccessFailure, accessProblem, isPassing, isStatementMode, refusedParameter } from './accessProblem.js'
import { addressOf, driverOf, type OpenDriver } from './driver.js'
import { postgresErrorCode } from './postgresErrors.js'

// A database that is started together with the gateway is often some seconds behind it.
const PATIENCE_MS = 10_000
const PAUSE_MS = 250
const CONNECT_TIMEOUT_SECONDS = 5

const ANSWER_TIMEOUT_MS = 8_000

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
  const address = addressOf(url)
  const open = driverOf(url)
  const deadline = performance.now() + PATIENCE_MS
  let isReported = false
  for (;;) {
    signal?.throwIfAborted()
    const found = await tryConnection(open, signal)
    signal?.throwIfAborted()
    if ('isPooled' in found) return found
    const { code } = found
    if (!(await isPassing(address, found)) || performance.now() + PAUSE_MS > deadline)
      throw new ConfigError([`DATABASE_URL: ${await accessProblem(address, found)}`])
    if (!isReported) waiting(code)
    isReported = true
    await sleep(PAUSE_MS, undefined, { signal })
  }
}

/** Answers what failed where it does not work. */
async function tryConnection(open: OpenDriver, signal?: AbortSignal): Promise<DatabaseAccess | AccessFailure> {
  const sql = open({
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
    const asked = sql<{ pid: number }[]>`select pg_backend_pid() as pid`.execute()
    const rows = await inTime(asked, ANSWER_TIMEOUT_MS, timedOut)
    const isPooled = rows[0]?.pid !== rows.state.pid
    // A pooler may refuse what each call needs.
    if (isPooled) await inTime(begins(sql), ANSWER_TIMEOUT_MS, timedOut)
    return { isPooled }
  } catch (error) {
    return { code: postgresErrorCode(error), refusedParameter: refusedParameter(error), isStatementMode: isStatementMode(error) }
  } finally {
    signal?.removeEventListener('abort', giveUp)
    await sql.end({ timeout: 0 })
  }
}

async function begins(sql: Sql): Promise<void> {
  const failures: unknown[] = []
  // PgBouncer says why only after it has closed the connection: the second statement hears of it.
  for (const statement of ['begin', 'rollback']) await sql.unsafe(statement).catch(error => failures.push(error))
  if (failures.length > 0) throw failures.find(isStatementMode) ?? failures[0]
}

function timedOut(): Error {
  return Object.assign(new Error('nobody answers'), { code: 'CONNECT_TIMEOUT' })
}
