import type { Connections, Database } from '../postgres/database.js'
import { EPOCH_HERE, openFeedEpoch, SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { detachedPartitions, ensurePartitionsAhead, hasPartitionOfNow, mayMakePartitions } from '../postgres/partitions.js'
import { postgresErrorCode } from '../postgres/postgresErrors.js'
import { insertPredictions } from './insertPredictions.js'

// An orchestrator asks every few seconds, and what is wrong must show within two.
const TRIAL_EVERY_MS = 1_000
// What refuses some rows and takes others must not make the gateway ready and not ready in turn.
const STEADY_MS = 10_000

const REFUSES = 'Postgres would not store a high-risk score'
const LACKS_PARTITION = 'predictions has no partition for now, and this user may not create it: run riskgate upkeep as its owner'
const REASONS: readonly (readonly [code: RegExp, reason: string])[] = [
  [/^42501$/, 'its user lacks a right; riskgate doctor names it'],
  [/^42(P01|703|883)$/, 'a table, column or function is missing'],
  [/^(0A000|55000)$/, 'the server refuses a function'],
]

/** No score can be stored from now on, though Postgres runs. */
class NoPartitionError extends Error {
  constructor(readonly reason: string) {
    super(reason)
  }
}

/** Whether a high-risk score would be stored: learns from those of callers, and tries one without rows from time to time. */
export class ScoringTrial {
  readonly #database: Database
  readonly #refused: (reason: string) => void
  #reason: string | undefined
  #refusedAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY

  /** `refused` is called once for each time that scores begin to be refused. */
  constructor(database: Database, refused: (reason: string) => void) {
    this.#database = database
    this.#refused = refused
  }

  /** Notes a statement of scores that failed. Whether scores of others would fail in the same way. */
  failed(error: unknown): boolean {
    const code = postgresErrorCode(error)
    const [, why] = REASONS.find(([codes]) => codes.test(code)) ?? []
    if (error instanceof NoPartitionError) this.#note(error.reason)
    else if (why !== undefined) this.#note(`${why} (${code})`)
    return why !== undefined || error instanceof NoPartitionError
  }

  /** Why no score would be stored; undefined where it would be. Ask it of a database that answers. */
  async problem(): Promise<string | undefined> {
    if (performance.now() - this.#triedAt >= TRIAL_EVERY_MS) {
      this.#triedAt = performance.now()
      const error = await this.#database.readAhead(({ sql }) => tryScore(sql)).catch((error: unknown) => error)
      if (error !== undefined && !this.failed(error)) {
        // An outage, perhaps over already: the next call tries again.
        this.#triedAt = Number.NEGATIVE_INFINITY
        return `${REFUSES}: a trial failed (${postgresErrorCode(error)})`
      }
    }
    if (performance.now() - this.#refusedAt >= STEADY_MS) this.#reason = undefined
    return this.#reason
  }

  #note(why: string): void {
    const reason = `${REFUSES}: ${why}`
    if (this.#reason !== reason) this.#refused(reason)
    this.#reason = reason
    this.#refusedAt = performance.now()
  }
}

/** All that a score needs but its row. A row would leave something behind, even where it is taken back. */
async function tryScore(sql: Connections['sql']): Promise<void> {
  await insertPredictions(sql, [])
  const [here] = await sql<{ epoch: number | null }[]>`
    select ${sql.unsafe(EPOCH_HERE)} as epoch, pg_current_xact_id()::text as xid, ${sql.unsafe(SETTLED_BEFORE)}::text as settled`
  if (here?.epoch == null) await openFeedEpoch(sql)
  if (await hasPartitionOfNow(sql)) return
  const detached = await detachedPartitions(sql)
  if (detached !== undefined) throw new NoPartitionError(detached)
  if (!(await mayMakePartitions(sql))) throw new NoPartitionError(LACKS_PARTITION)
  await ensurePartitionsAhead(sql)
}
