import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { driverOf } from './driver.js'

const LOOK_EVERY_MS = 25
const CONNECT_TIMEOUT_SECONDS = 5

/** A session that holds a lock for which another session waits. Its statement is left out: it may hold values. */
export interface Blocker {
  /** 0 for a prepared transaction, which has no session. */
  readonly pid: number
  readonly application: string | null
  readonly state: string | null
  /** When its transaction began. */
  readonly since: Date | null
}

/** Looks from a second connection for the sessions that block a session: one that waits for a lock cannot ask. */
export class BlockerWatch {
  readonly #sql: Sql
  readonly #report: (blockers: readonly Blocker[]) => void
  #reported = ''

  /** `report` is called for each new set of blockers. */
  constructor(url: string, report: (blockers: readonly Blocker[]) => void) {
    const connection = { application_name: 'riskgate:migrate-watch' }
    this.#sql = driverOf(url)({
      max: 1,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      fetch_types: false,
      prepare: false,
      connection,
    })
    this.#report = report
  }

  /** Watches this session while the work runs there. */
  async during<T>(pid: number, work: () => Promise<T>): Promise<T> {
    const done = new AbortController()
    // The work must not fail where looking does.
    this.#look(pid, done.signal).catch(() => {})
    try {
      return await work()
    } finally {
      done.abort()
    }
  }

  async end(): Promise<void> {
    await this.#sql.end({ timeout: 0 })
  }

  async #look(pid: number, signal: AbortSignal): Promise<void> {
    for (; !signal.aborted; await sleep(LOOK_EVERY_MS, undefined, { signal })) {
      const blockers = await this.#sql<Blocker[]>`
        select blocker as pid, application_name as application, state, xact_start as since
        from unnest(pg_blocking_pids(${pid})) as blocker left join pg_stat_activity on pid = blocker order by 1`
      const pids = blockers.map(({ pid }) => pid).join()
      if (pids === '' || pids === this.#reported) continue
      this.#reported = pids
      this.#report([...blockers])
    }
  }
}
