import type { Redis } from 'ioredis'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Prediction } from '../scoring/prediction.js'
import { decodePrediction, encodeEntry, keyOf, type LatestEntry, PUT_UNLESS_NEWER, replaces } from './latestEntry.js'
import { RedisTrust } from './redisTrust.js'

const PREFIX = 'riskgate:latest:'
// A replica that ends while Redis is away leaves outdated values behind, for this long at most.
const TTL_SECONDS = 15
const MAX_MISSED = 10_000
const PIPELINE = 500

/**
 * The newest prediction of each applicant, shared by all replicas. Keys are digests and values hold no applicant's reference.
 * Writes that Redis misses are kept and repeated when it answers again; until then, and a little longer, no value in it is
 * trusted.
 */
export class RedisLatestPredictions implements LatestPredictions {
  readonly #redis: Redis
  readonly #trust: RedisTrust
  readonly #missed = new Map<string, LatestEntry>()
  /** Set when more writes were missed than could be kept. */
  #mustClear = false

  constructor(redis: Redis) {
    this.#redis = redis
    this.#trust = new RedisTrust(redis, () => this.#catchUp())
  }

  /** Whether Redis answers, and holds no value that may be outdated. */
  get isTrusted(): boolean {
    return this.#trust.isTrusted
  }

  /** Finds nothing while Redis is not trusted. */
  async find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    if (!this.#trust.isTrusted) return new Map()
    const values = await this.#redis.mget(applicantIds.map(id => PREFIX + keyOf(tenant, id))).catch(() => this.#trust.lose())
    return new Map(
      applicantIds.flatMap((applicantId, i) => {
        const prediction = decodePrediction(values?.[i] ?? '', tenant, applicantId)
        return prediction ? [[applicantId, prediction] as const] : []
      }),
    )
  }

  /** Waits for Redis only while Redis answers, and then for one command at most. */
  async remember(predictions: readonly Prediction[]): Promise<void> {
    await this.#put(
      predictions.map(prediction => [keyOf(prediction.tenant, prediction.applicantId), { id: prediction.id, prediction }]),
    )
  }

  /** Like `remember`; from now on predictions up to `lastId` are refused. */
  async forget(tenant: string, applicantId: string, lastId: string): Promise<void> {
    await this.#put([[keyOf(tenant, applicantId), { id: lastId, prediction: undefined }]])
  }

  async #put(entries: readonly (readonly [string, LatestEntry])[]): Promise<void> {
    if (entries.length === 0) return
    if (this.#trust.answers && (await this.#write(entries))) return
    this.#trust.lose()
    for (const [key, entry] of entries) {
      if (replaces(entry, this.#missed.get(key))) this.#missed.set(key, entry)
    }
    if (this.#missed.size <= MAX_MISSED) return
    this.#missed.clear()
    this.#mustClear = true
  }

  async #write(entries: readonly (readonly [string, LatestEntry])[]): Promise<boolean> {
    const pipeline = this.#redis.pipeline()
    for (const [key, entry] of entries) pipeline.eval(PUT_UNLESS_NEWER, 1, PREFIX + key, encodeEntry(entry), TTL_SECONDS)
    const results = await pipeline.exec().catch(() => null)
    return results?.every(([error]) => error === null) ?? false
  }

  async #catchUp(): Promise<void> {
    if (this.#mustClear) await this.#clear()
    while (this.#missed.size > 0) {
      const entries = [...this.#missed].slice(0, PIPELINE)
      if (!(await this.#write(entries))) throw new Error('Redis did not take the missed writes.')
      for (const [key, entry] of entries) {
        // Not an entry that arrived for the same applicant during the write.
        if (this.#missed.get(key) === entry) this.#missed.delete(key)
      }
    }
  }

  async #clear(): Promise<void> {
    this.#mustClear = false
    try {
      let cursor = '0'
      do {
        const [next, keys] = await this.#redis.scan(cursor, 'MATCH', `${PREFIX}*`, 'COUNT', 1_000)
        if (keys.length > 0) await this.#redis.unlink(keys)
        cursor = next
      } while (cursor !== '0')
    } catch (error) {
      this.#mustClear = true
      throw error
    }
  }
}
