import PgBoss from 'pg-boss'
import type { ISql, Row } from 'postgres'
import { ConnectionPool, type ConnectionPoolSettings } from '../postgres/connectionPool.js'

const SCHEMA = 'pgboss'
// The owner of a job counts its attempts and ends them. A gateway that was killed over a job must not use them up.
const RETRIES = 1_000
// Longer than any job of ours runs: whoever took it is gone, and it is given to another.
const EXPIRY_SECONDS = 30
// pg-boss would put a job away that has waited for two weeks, and its owner would wait for it for ever.
const KEEP_UNTIL = '9999-01-01T00:00:00Z'
// pg-boss numbers the parameters of its insert so far.
const INSERT_PARAMETERS = 6
// Any number, the same in every gateway. Several that made a queue at once would wait for each other in a circle.
const CREATION_LOCK = 7_475_002_418
// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK = 1_000

export interface JobQueueSettings extends Omit<ConnectionPoolSettings, 'size'> {
  /** The pause before the first retry is between one and two times as long, each further one between two and four times the last, by chance. */
  readonly retrySeconds: number
}

export interface NewJob {
  readonly queue: string
  readonly data: object
}

export interface Job<Data> {
  readonly id: string
  readonly data: Data
}

/** A statement that goes with another one, whose parameters come before its own. */
export interface Companion {
  readonly text: (firstParameter: number) => string
  readonly parameters: readonly unknown[]
}

/**
 * Jobs on pg-boss, over a connection of their own. Of pg-boss its statements only: its worker leaves promises without a handler, so
 * that a Postgres that goes away would end the process, and keeps done jobs to remove them later all at once.
 */
export class JobQueue {
  readonly #pool: ConnectionPool
  readonly #boss: PgBoss
  readonly #creator: PgBoss
  readonly #retrySeconds: number
  readonly #opened = new Set<string>()

  constructor({ retrySeconds, ...settings }: JobQueueSettings) {
    this.#pool = new ConnectionPool({ ...settings, size: 1 })
    this.#retrySeconds = retrySeconds
    this.#boss = bossOver((text, parameters) => this.#run(text, parameters))
    this.#creator = bossOver((text, parameters) =>
      this.#run(`${text} from (select pg_advisory_xact_lock(${CREATION_LOCK}) offset 0) as alone`, parameters),
    )
  }

  /** Makes a queue, unless it is there. */
  async open(queue: string): Promise<void> {
    if (!this.#opened.has(queue)) await this.reopen(queue)
  }

  /** Makes a queue, unless it is there, though it was there before: a database that was restored may have lost it. */
  async reopen(queue: string): Promise<void> {
    this.#opened.delete(queue)
    await this.#creator.createQueue(queue)
    this.#opened.add(queue)
  }

  /** The names of all queues. */
  async queues(): Promise<string[]> {
    return (await this.#boss.getQueues()).map(({ name }) => name)
  }

  /** Removes a queue with its jobs. */
  async close(queue: string): Promise<void> {
    this.#opened.delete(queue)
    // pg-boss removes a queue without jobs only.
    const jobs = `select id from ${SCHEMA}.job where name = $1 limit ${CHUNK}`
    const removal = `delete from ${SCHEMA}.job where name = $1 and id in (${jobs}) returning id`
    while ((await this.#run(removal, [queue])).rows.length === CHUNK) {}
    await this.#boss.deleteQueue(queue)
  }

  /** Adds jobs and runs another statement with it: both happen, or neither. Jobs of a queue that is not there are left out. */
  async add(jobs: readonly NewJob[], companion: Companion): Promise<void> {
    const rows = jobs.map(({ queue, data }) => ({
      name: queue,
      data,
      retryLimit: RETRIES,
      retryDelay: this.#retrySeconds,
      retryBackoff: true,
      expireInSeconds: EXPIRY_SECONDS,
      keepUntil: KEEP_UNTIL,
    }))
    const executeSql = (insert: string, values: unknown[]) => {
      if (values.length !== INSERT_PARAMETERS) throw new Error('The insert of this version of pg-boss is not known.')
      const text = `with jobs_added as (${insert}) ${companion.text(INSERT_PARAMETERS + 1)}`
      return this.#run(text, [...values, ...companion.parameters])
    }
    await this.#boss.insert(rows, { db: { executeSql } })
  }

  /** Takes jobs whose time has come; they are ours until they are removed or retried, or for half a minute. */
  async take<Data extends object>(queue: string, limit: number): Promise<Job<Data>[]> {
    return this.#boss.fetch<Data>(queue, { batchSize: limit })
  }

  async remove(queue: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#boss.deleteJob(queue, [...ids])
  }

  /** Which of these values the jobs have, in a field of their data, that wait or run. */
  async held(queues: readonly string[], field: string, values: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.#run(
      `select data ->> $1 as value from ${SCHEMA}.job
        where name = any($2::text[]) and state < 'completed' and data ->> $1 = any($3::text[])`,
      [field, queues, values],
    )
    return new Set(rows.map(({ value }) => String(value)))
  }

  /** Has a job that was taken come again at once, as if it had not been. */
  async giveBack(queue: string, id: string): Promise<void> {
    // pg-boss's own way is a retry, which doubles the next pause: it counts whatever is taken that had started before.
    await this.#run(
      `update ${SCHEMA}.job set state = 'created', started_on = null, start_after = now()
        where name = $1 and id = $2 and state = 'active'`,
      [queue, id],
    )
  }

  /** Has a job that was taken come again after a pause, which grows with each time. */
  async retry(queue: string, id: string): Promise<void> {
    await this.#boss.fail(queue, id)
  }

  /** Has jobs come again whose taker is gone. */
  async expire(): Promise<void> {
    await this.#boss.expire()
  }

  async end(): Promise<void> {
    await this.#pool.close()
  }

  #run(text: string, parameters: readonly unknown[]): Promise<{ rows: Row[] }> {
    return this.#pool.run(({ sql }) => execute(sql, text, parameters))
  }
}

/** Creates the tables of the queue or brings them up to date. */
export async function installJobQueue(sql: ISql): Promise<void> {
  await bossOver((text, parameters) => execute(sql, text, parameters), true).start()
}

function bossOver(executeSql: (text: string, parameters: unknown[]) => Promise<{ rows: Row[] }>, migrate = false): PgBoss {
  // Without its timers: nothing of it runs by itself.
  return new PgBoss({ db: { executeSql }, schema: SCHEMA, migrate, supervise: false, schedule: false })
}

async function execute(sql: ISql, text: string, parameters: readonly unknown[] = []): Promise<{ rows: Row[] }> {
  try {
    const rows = await sql.unsafe(text, parameters.map(asParameter) as never[])
    return { rows: [...rows] }
  } catch (error) {
    // Several statements in a transaction: one that failed leaves it open.
    if (/^\s*BEGIN\b/.test(text)) await sql.unsafe('rollback')
    throw error
  }
}

/** As `pg` would send it: undefined as null, and an object as JSON, which Drizzle has taken out of the driver's hands. */
function asParameter(value: unknown): unknown {
  if (value === undefined) return null
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value
}
