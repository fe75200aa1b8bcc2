import PgBoss from 'pg-boss'
import type { ISql, Row } from 'postgres'
import { ConnectionPool, type ConnectionPoolSettings } from '../postgres/connectionPool.js'

const SCHEMA = 'pgboss'
// pg-boss would remove a job that has waited for two weeks, and its owner would wait for it for ever.
const KEEP_UNTIL = '9999-01-01T00:00:00Z'
// pg-boss numbers the parameters of its insert so far.
const INSERT_PARAMETERS = 6
// Any number, the same in every gateway. Gateways that made a queue at the same time would wait for each other in a circle.
const CREATION_LOCK = 7_475_002_418
// pg-boss would wait half a minute for a lock, and writers behind it.
const LONG_WAIT = "SET LOCAL lock_timeout = '30s';"
// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK = 1_000

/** How the jobs of a queue are given out. */
export interface JobPolicy {
  /** Longer than any job of the queue runs: after it the gateway that took the job counts as gone, and another gets the job. */
  readonly expirySeconds: number
  /** How often a job comes again, after a failure or from a gateway that is gone. */
  readonly retries: number
  /**
   * The pause before the first retry is by chance between one and two times as long; each further pause is between two and four times
   * the last one.
   */
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

/** A statement that runs together with another one, whose parameters come first. */
export interface Companion {
  readonly text: (firstParameter: number) => string
  readonly parameters: readonly unknown[]
}

/**
 * Jobs on pg-boss, over a connection of their own. Only the statements of pg-boss are used, not its worker. The worker leaves promises
 * without a handler, so that a Postgres that goes away would end the process; and it keeps done jobs and removes them all at once.
 */
export class JobQueue {
  readonly #pool: ConnectionPool
  readonly #boss: PgBoss
  readonly #creator: PgBoss
  readonly #opened = new Set<string>()

  constructor(settings: Omit<ConnectionPoolSettings, 'size'>) {
    this.#pool = new ConnectionPool({ ...settings, size: 1 })
    this.#boss = bossOver((text, parameters) => this.#run(text, parameters))
    this.#creator = bossOver((text, parameters) =>
      this.#run(`${text} from (select pg_advisory_xact_lock(${CREATION_LOCK}) offset 0) as alone`, parameters),
    )
  }

  /** Makes a queue, unless it is there. */
  async open(queue: string): Promise<void> {
    if (!this.#opened.has(queue)) await this.reopen(queue)
  }

  /** Makes a queue, unless it is there. Asks again for one that was there before: a restored database may have lost it. */
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
  async add(jobs: readonly NewJob[], policy: JobPolicy, companion: Companion): Promise<void> {
    const rows = jobs.map(({ queue, data }) => ({
      name: queue,
      data,
      retryLimit: policy.retries,
      retryDelay: policy.retrySeconds,
      retryBackoff: true,
      expireInSeconds: policy.expirySeconds,
      keepUntil: KEEP_UNTIL,
    }))
    const executeSql = (insert: string, values: unknown[]) => {
      if (values.length !== INSERT_PARAMETERS) throw new Error('The insert of this version of pg-boss is not known.')
      const text = `with jobs_added as (${insert}) ${companion.text(INSERT_PARAMETERS + 1)}`
      return this.#run(text, [...values, ...companion.parameters])
    }
    await this.#boss.insert(rows, { db: { executeSql } })
  }

  /** Takes jobs whose time has come. They are this gateway's until they are removed, retried or expired. */
  async take<Data extends object>(queue: string, limit: number): Promise<Job<Data>[]> {
    return this.#boss.fetch<Data>(queue, { batchSize: limit })
  }

  async remove(queue: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#boss.deleteJob(queue, [...ids])
  }

  /** Those of the values that a waiting or running job has in this field of its data. */
  async held(queues: readonly string[], field: string, values: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.#run(
      `select data ->> $1 as value from ${SCHEMA}.job
        where name = any($2::text[]) and state < 'completed' and data ->> $1 = any($3::text[])`,
      [field, queues, values],
    )
    return new Set(rows.map(({ value }) => String(value)))
  }

  /** Returns a taken job to the queue, due at once, as if nobody had taken it. */
  async giveBack(queue: string, id: string): Promise<void> {
    // Not by a retry of pg-boss, which doubles the next pause.
    await this.#run(
      `update ${SCHEMA}.job set state = 'created', started_on = null, start_after = now()
        where name = $1 and id = $2 and state = 'active'`,
      [queue, id],
    )
  }

  /** Returns a taken job to the queue, due after a pause, which grows with each retry. */
  async retry(queue: string, id: string): Promise<void> {
    await this.#boss.fail(queue, id)
  }

  /** Requeues jobs whose gateway is gone. */
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

/** Creates the tables of the queue or brings them up to date. Waits for locks as long as its session allows. */
export async function installJobQueue(sql: ISql): Promise<void> {
  await bossOver((text, parameters) => execute(sql, text.replace(LONG_WAIT, ''), parameters), true).start()
}

function bossOver(executeSql: (text: string, parameters: unknown[]) => Promise<{ rows: Row[] }>, migrate = false): PgBoss {
  // Without its timers: no part of it runs by itself.
  return new PgBoss({ db: { executeSql }, schema: SCHEMA, migrate, supervise: false, schedule: false })
}

async function execute(sql: ISql, text: string, parameters: readonly unknown[] = []): Promise<{ rows: Row[] }> {
  try {
    const rows = await sql.unsafe(text, parameters.map(asParameter) as never[])
    return { rows: [...rows] }
  } catch (error) {
    // A transaction of several statements: a failed one leaves it open.
    if (/^\s*BEGIN\b/.test(text)) await sql.unsafe('rollback')
    throw error
  }
}

/** As `pg` would send it: undefined as null, and an object as JSON, since Drizzle has switched the driver's own JSON off. */
function asParameter(value: unknown): unknown {
  if (value === undefined) return null
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value
}
