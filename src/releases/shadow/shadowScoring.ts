import { inTime } from '../../concurrency/inTime.js'
import type { NewPrediction } from '../../scoring/prediction.js'
import type { Release } from '../../scoring/release.js'
import type { ModelRegistry, ShadowRelease } from '../serving/modelRegistry.js'
import type { ShadowLog, ShadowScore } from './shadowLog.js'

// Rows that wait, over all models: some seconds of work, and some MB where a model has 200 features.
const MOST_WAITING = 1_000
// From here on a falling part of the rows is taken, so that the sample stays spread over time.
const CROWDED = MOST_WAITING / 2
// Packing more rows for the worker would hold up the event loop for over half a millisecond.
const ROWS_A_GROUP = 64
// A worker that hangs gives up its rows before; a log that hangs must not hold the queue for ever.
const LONGEST_GROUP_MS = 10_000

export type ShadowResult = 'stored' | 'dropped' | 'failed'

export interface ShadowWatch {
  readonly counted: (result: ShadowResult, rows: number) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
  /** In [0, 1). */
  readonly random?: () => number
}

/**
 * Scores stored predictions with versions that answer nobody, to compare them before one of them is champion. Callers never wait for
 * it: rows go through a bounded queue into workers, and what does not fit is dropped and counted.
 */
export class ShadowScoring {
  readonly #models: Pick<ModelRegistry, 'model'>
  readonly #log: ShadowLog
  readonly #watch: ShadowWatch
  readonly #random: () => number
  /** By the release that scores them. */
  readonly #waiting = new Map<Release, NewPrediction[]>()
  #queued = 0
  #running: Promise<void> | undefined
  #isFailing = false
  #isClosed = false

  constructor(models: Pick<ModelRegistry, 'model'>, log: ShadowLog, watch: ShadowWatch) {
    this.#models = models
    this.#log = log
    this.#watch = watch
    this.#random = watch.random ?? Math.random
  }

  /** Rows that wait to be scored. */
  get queued(): number {
    return this.#queued
  }

  /** Takes stored predictions into the queue, and returns at once. Never throws. */
  offer(stored: readonly NewPrediction[]): void {
    for (const row of stored) {
      const shadows = this.#models.model(row.prediction.model)?.shadows
      if (shadows) for (const shadow of shadows) this.#offerTo(shadow, row)
    }
  }

  /** Ends after the group in hand; what waits is dropped. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#count('dropped', this.#queued)
    this.#waiting.clear()
    this.#queued = 0
    await this.#running
  }

  #offerTo(shadow: ShadowRelease, row: NewPrediction): void {
    const { beside, share, release } = shadow
    const { modelVersion } = row.prediction
    if (modelVersion === release.manifest.version || (beside !== undefined && beside !== modelVersion)) return
    const chance = this.#random()
    if (chance >= share) return
    const room = Math.min(1, (MOST_WAITING - this.#queued) / (MOST_WAITING - CROWDED))
    if (this.#isClosed || chance >= share * room) {
      this.#count('dropped', 1)
      return
    }
    const rows = this.#waiting.get(release)
    if (rows) rows.push(row)
    else this.#waiting.set(release, [row])
    this.#queued++
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    while (this.#queued > 0) {
      // The callers of these predictions are answered first.
      await new Promise(setImmediate)
      const [next] = this.#waiting
      if (next) await this.#scoreGroup(...this.#take(...next))
    }
    this.#running = undefined
  }

  /** The first rows that wait for a release. The others of it come after those of the next release. */
  #take(release: Release, rows: NewPrediction[]): [Release, NewPrediction[]] {
    const group = rows.splice(0, ROWS_A_GROUP)
    this.#queued -= group.length
    this.#waiting.delete(release)
    if (rows.length > 0) this.#waiting.set(release, rows)
    return [release, group]
  }

  async #scoreGroup(release: Release, group: readonly NewPrediction[]): Promise<void> {
    let stored = 0
    try {
      stored = await inTime(this.#store(release, group), LONGEST_GROUP_MS, tooLong)
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#watch.warn('shadow scores are lost', { error: (error as Error).name })
      this.#isFailing = true
    }
    this.#count('stored', stored)
    this.#count('failed', group.length - stored)
  }

  async #store(release: Release, group: readonly NewPrediction[]): Promise<number> {
    const scored = await Promise.allSettled(group.map(row => scoreOf(release, row)))
    const scores = scored.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []))
    if (scores.length > 0) await this.#log.record(scores)
    return scores.length
  }

  #count(result: ShadowResult, rows: number): void {
    if (rows > 0) this.#watch.counted(result, rows)
  }
}

async function scoreOf(release: Release, { prediction, features }: NewPrediction): Promise<ShadowScore> {
  const { id: predictionId, tenant, createdAt } = prediction
  const { model, version } = release.manifest
  const { probability, band } = await release.score(features)
  return { predictionId, tenant, model, version, probability, band, createdAt }
}

function tooLong(): Error {
  return new Error('a group of shadow scores took too long')
}
