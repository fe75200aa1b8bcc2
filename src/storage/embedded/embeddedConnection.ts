import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { APPLICATION_NAME } from '../postgres/connectionPool.js'
import { DATABASE, USER } from './embeddedCluster.js'

/** An idle connection that shows other gateways that this one uses the server, even while its pool is empty. */
export type Presence = postgres.Sql

const PRESENCE_NAME = 'riskgate presence'
// Must not start with "riskgate", or two gateways that stop at once would count each other's question as a gateway.
const QUESTION_NAME = 'embedded riskgate'
const CONNECT_TIMEOUT_S = 5
const ANSWER_TIMEOUT_MS = 5_000
// A backend ends a moment after its client has closed; a pool closed just before stop() must not look like another gateway.
const LINGER_MS = 500
const REJOIN_MS = 500
// PostgreSQL hangs when a fast shutdown arrives while it recovers from the crash of a backend (seen with 18.4).
const SETTLE_MS = 3_000

export function connectionUrl(port: number, password: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`
}

/**
 * A lasting connection; undefined while the server does not answer, 'foreign' when it serves other data. The signal closes it while it is
 * being made: left open, it would count as another gateway.
 */
export async function joinServer(
  port: number,
  password: string,
  data: string,
  signal: AbortSignal,
): Promise<Presence | 'foreign' | undefined> {
  signal.throwIfAborted()
  const rejoin = () => void sql`select 1`.catch(() => undefined)
  // When one backend crashes, PostgreSQL closes all connections and goes on: this one reconnects. After leaveServer it does
  // nothing.
  const sql = connect(port, password, PRESENCE_NAME, () => setTimeout(rejoin, REJOIN_MS).unref())
  const giveUp = () => void leaveServer(sql)
  signal.addEventListener('abort', giveUp, { once: true })
  const found = await answer(sql`select current_setting('data_directory') as data`).then(
    ([row]) => ({ data: row?.data }),
    (error: { code?: string }) => ({ refusal: error.code }),
  )
  signal.removeEventListener('abort', giveUp)
  signal.throwIfAborted()
  if ('data' in found && found.data === data) return sql
  await leaveServer(sql)
  if ('data' in found) return 'foreign'
  if (found.refusal !== '28P01') return undefined
  throw new Error(`the PostgreSQL of ${data} refuses the password in ${data}.password: is that file from another copy?`)
}

export async function leaveServer(presence: Presence): Promise<void> {
  await presence.end({ timeout: 0 }).catch(() => undefined)
}

/** Whether another gateway is connected; false when the server never answers, as then nobody is served. */
export async function othersConnected(port: number, password: string, lives: () => boolean): Promise<boolean> {
  let deadline = performance.now() + SETTLE_MS
  let others: number | undefined
  do {
    const before = others
    others = await countGateways(port, password)
    if (others === 0) return false
    if (before === undefined && others !== undefined) deadline = performance.now() + LINGER_MS
    await sleep(25)
  } while (lives() && performance.now() < deadline)
  return others !== undefined
}

async function countGateways(port: number, password: string): Promise<number | undefined> {
  const sql = connect(port, password, QUESTION_NAME)
  try {
    // A session of our own pool may still run a statement whose caller is gone: it does not count.
    const others = sql`
      select 1 from pg_stat_activity where application_name like 'riskgate%' and application_name <> ${APPLICATION_NAME}`
    return (await answer(others)).length
  } catch {
    return undefined
  } finally {
    await leaveServer(sql)
  }
}

function connect(port: number, password: string, name: string, onclose: () => void = () => undefined): postgres.Sql {
  return postgres(connectionUrl(port, password), {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT_S,
    max_lifetime: null,
    fetch_types: false,
    onnotice: () => undefined,
    onclose,
    connection: { application_name: name },
  })
}

// postgres.js waits for ever for a frozen server.
async function answer<T>(query: Promise<T>): Promise<T> {
  const late = new AbortController()
  const timeout = sleep(ANSWER_TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error('PostgreSQL does not answer')
  })
  timeout.catch(() => undefined)
  return Promise.race([query, timeout]).finally(() => late.abort())
}
