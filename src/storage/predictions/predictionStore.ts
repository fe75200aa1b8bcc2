import { and, eq, inArray, notExists, or, type SQL } from 'drizzle-orm'
import { Batcher } from '../../concurrency/batcher.js'
import { inTime } from '../../concurrency/inTime.js'
import { AppError } from '../../errors.js'
import type { NewPrediction, Prediction, PredictionRecorder, Recorded } from '../../scoring/prediction.js'
import type { Tracer } from '../../tracer.js'
import type { NewAuditEntry } from '../audit/auditEntries.js'
import type { AuditWriter } from '../audit/auditWriter.js'
import { type Database, outcomeUnknown } from '../postgres/database.js'
import { ensurePartitions } from '../postgres/partitions.js'
import { isDataError, isMissingPartition } from '../postgres/postgresErrors.js'
import { idempotencyKeys, predictions } from '../tables/predictions.js'
import { insertPredictions } from './insertPredictions.js'
import { predictionColumns, toPrediction } from './predictionRow.js'
import { sameApplications } from './sameApplication.js'
import type { ScoringTrial } from './scoringTrial.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const MAX_ROWS_A_STATEMENT = 256
// While one group waits for its commit the next may run; more at once would only make groups smaller.
const STATEMENTS_AT_ONCE = 2
const RETRIES = 3
// A row that has waited this long for its statement is not sent any more.
const LONGEST_WAIT_MS = 1_000
// Every score is answered within 1.5 s. A frozen statement alone ends after 1.3 s, but a row may have waited before, or need several.
const LONGEST_ANSWER_MS = 1_400

/** Called once for each group with its new predictions, after its commit and before its callers are answered. Must not reject. */
export type Committed = (stored: readonly NewPrediction[]) => Promise<void>

export interface PredictionStoreOptions {
  readonly database: Database
  /** Records the earlier predictions that repeated calls are answered with. */
  readonly audit: Pick<AuditWriter, 'write'>
  readonly committed: Committed
  /** Called with the seconds from the start of each statement to its commit, and its number of rows. */
  readonly observeCommit: (seconds: number, rows: number) => void
  /** Hears of statements that were committed or failed. */
  readonly trial?: Pick<ScoringTrial, 'stored' | 'failed'> | undefined
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** What a key was used for before. */
interface Earlier {
  readonly prediction: Prediction
  readonly digest: string
}

/** Writes predictions with their keys and alerts, joining concurrent calls into one statement. */
export class PredictionStore implements PredictionRecorder {
  readonly #options: PredictionStoreOptions
  readonly #batcher: Batcher<NewPrediction, Recorded>

  constructor(options: PredictionStoreOptions) {
    this.#options = options
    const { tracer } = options
    this.#batcher = new Batcher<NewPrediction, Recorded>(group => this.#recordGroup(group), {
      maxItems: MAX_ROWS_A_STATEMENT,
      maxRunning: STATEMENTS_AT_ONCE,
      waitLimit: { longestWaitMs: LONGEST_WAIT_MS, tooLong: notSent },
      traces: tracer && { tracer, name: 'commit group' },
    })
  }

  /** Rows that wait for a statement. */
  get queued(): number {
    return this.#batcher.queued
  }

  /** Answers within 1.4 s, also while Postgres is frozen. @throws AppError SERVICE_UNAVAILABLE, OUTCOME_UNKNOWN */
  record(prediction: NewPrediction): Promise<Recorded> {
    return inTime(this.#batcher.submit(prediction), LONGEST_ANSWER_MS, outcomeUnknown)
  }

  async #recordGroup(group: readonly NewPrediction[]): Promise<(Recorded | Error)[]> {
    let stored: ReadonlySet<string>
    try {
      stored = await this.#insert(group)
    } catch (error) {
      // The rows behind it were not sent, and would wait for the same deadline.
      if (error instanceof AppError) this.#batcher.giveUp(notSent())
      if (group.length === 1) throw isMissingPartition(error) ? noPlace(error) : error
      if (!isDataError(error)) throw error
      // One bad row must not fail its neighbours: each is written alone.
      return (await Promise.all(group.map(row => this.#recordGroup([row]).catch((error: Error) => [error])))).flat()
    }
    const fresh = group.filter(({ prediction }) => stored.has(prediction.id))
    if (fresh.length > 0) await this.#options.committed(fresh)
    if (fresh.length === group.length) return fresh.map(({ prediction }) => ({ prediction, replayed: false }))
    // Committed rows are answered as such, even when the first answers of their neighbours cannot be read.
    const repeated = group.filter(({ prediction }) => !stored.has(prediction.id))
    const replays = await this.#replay(repeated).catch((error: Error) => error)
    return group.map(row => {
      if (stored.has(row.prediction.id)) return { prediction: row.prediction, replayed: false }
      return replays instanceof Error ? replays : (replays.get(row) as Recorded | Error)
    })
  }

  /** Answering with a stored prediction is a read: it is audited before the answer. */
  async #replay(rows: readonly NewPrediction[]): Promise<ReadonlyMap<NewPrediction, Recorded | Error>> {
    const earlier = await this.#findByKeys(rows)
    await this.#releaseKeys(rows.filter(row => !earlier.has(keyOf(row))))
    const same = await this.#sameOf(rows, earlier)
    const answers = new Map(rows.map(row => [row, replay(row, earlier.get(keyOf(row)), same)]))
    const shown = [...answers.values()].flatMap(answer => (answer instanceof Error ? [] : entryOf(answer.prediction)))
    await this.#options.audit.write(shown)
    return answers
  }

  /** The rows that repeat the application of their key. */
  async #sameOf(rows: readonly NewPrediction[], earlier: ReadonlyMap<string, Earlier>): Promise<ReadonlySet<NewPrediction>> {
    const repeats = rows.flatMap(row => {
      const first = earlier.get(keyOf(row))
      return first ? { row, first: first.prediction, isSame: first.digest === row.idempotency?.digest } : []
    })
    const others = await sameApplications(
      this.#options.database,
      repeats.filter(({ isSame }) => !isSame),
    )
    return new Set([...repeats.filter(({ isSame }) => isSame).map(({ row }) => row), ...others])
  }

  async #insert(group: readonly NewPrediction[]): Promise<ReadonlySet<string>> {
    for (let attempt = 1; ; attempt++) {
      const startedAt = performance.now()
      try {
        const ids = await this.#options.database.write(({ sql }) => insertPredictions(sql, group))
        this.#options.trial?.stored()
        this.#options.observeCommit((performance.now() - startedAt) / 1_000, group.length)
        return new Set(ids.map(({ id }) => id))
      } catch (error) {
        this.#options.trial?.failed(error)
        if (attempt > RETRIES || !isMissingPartition(error)) throw error
        const { createdAt } = (group[0] as NewPrediction).prediction
        await this.#options.database
          .write(({ sql }) => ensurePartitions(sql, createdAt))
          .catch(cause => {
            throw cause instanceof AppError ? cause : error
          })
      }
    }
  }

  async #findByKeys(rows: readonly NewPrediction[]): Promise<Map<string, Earlier>> {
    const found = await this.#options.database.readAhead(({ db }) =>
      db
        .select({ key: idempotencyKeys.key, digest: idempotencyKeys.digest, prediction: predictionColumns })
        .from(idempotencyKeys)
        .innerJoin(
          predictions,
          and(eq(predictions.tenant, idempotencyKeys.tenant), eq(predictions.id, idempotencyKeys.predictionId)),
        )
        .where(keysOf(rows)),
    )
    return new Map(
      found.map(({ key, digest, prediction }) => [
        scopedKey(prediction.tenant, prediction.requestedBy, key),
        { digest, prediction: toPrediction(prediction) },
      ]),
    )
  }

  /** Frees the keys whose prediction was removed from the store, as by an operator: a retry is then a new call. Never rejects. */
  async #releaseKeys(rows: readonly NewPrediction[]): Promise<void> {
    if (rows.length === 0) return
    const predictionOfKey = and(eq(predictions.tenant, idempotencyKeys.tenant), eq(predictions.id, idempotencyKeys.predictionId))
    await this.#options.database
      .write(({ db }) => {
        const stored = db.select({ id: predictions.id }).from(predictions).where(predictionOfKey)
        return db.delete(idempotencyKeys).where(and(keysOf(rows), notExists(stored)))
      })
      .catch(() => {})
  }
}

function notSent(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The store had no time for this prediction, and has not got it. Try again shortly.')
}

function noPlace(cause: unknown): AppError {
  const message = 'Postgres has no partition for predictions of this month. Tell the operator: /readyz says what to do.'
  return new AppError('SERVICE_UNAVAILABLE', message, { cause })
}

function keysOf(rows: readonly NewPrediction[]): SQL | undefined {
  return or(
    ...byOwner(rows).map(([{ tenant, requestedBy }, keys]) =>
      and(eq(idempotencyKeys.tenant, tenant), eq(idempotencyKeys.principal, requestedBy), inArray(idempotencyKeys.key, keys)),
    ),
  )
}

function replay(row: NewPrediction, first: Earlier | undefined, same: ReadonlySet<NewPrediction>): Recorded | AppError {
  if (!first) return new AppError('SERVICE_UNAVAILABLE', 'The first answer for this idempotency key is not available. Try again.')
  if (same.has(row)) return { prediction: first.prediction, replayed: true }
  const message = 'This idempotency key was used for another input. Use a new key for each application.'
  return new AppError('IDEMPOTENCY_KEY_REUSED', message, {
    problems: [{ code: 'IDEMPOTENCY_KEY_REUSED', message, path: ['idempotencyKey'] }],
  })
}

function entryOf({ tenant, requestedBy: principal, id }: Prediction): NewAuditEntry {
  return { tenant, principal, action: 'history.read', subject: id, details: { operation: 'predictRisk', ids: [id] } }
}

function keyOf({ prediction, idempotency }: Pick<NewPrediction, 'prediction' | 'idempotency'>): string {
  return scopedKey(prediction.tenant, prediction.requestedBy, idempotency?.key ?? '')
}

function byOwner(rows: readonly NewPrediction[]): [Prediction, string[]][] {
  const owners = new Map<string, [Prediction, string[]]>()
  for (const { prediction, idempotency } of rows) {
    const owner = scopedKey(prediction.tenant, prediction.requestedBy, '')
    const entry = owners.get(owner) ?? [prediction, []]
    entry[1].push(idempotency?.key ?? '')
    owners.set(owner, entry)
  }
  return [...owners.values()]
}

function scopedKey(tenant: string, principal: string, key: string): string {
  return JSON.stringify([tenant, principal, key])
}
