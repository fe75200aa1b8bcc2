import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Prediction } from '../scoring/prediction.js'
import { inTime } from './inTime.js'
import { decodePrediction, encodeEntry, keyOf, type LatestEntry, replaces } from './latestEntry.js'
import type { RedisLink } from './redisLink.js'
import { RedisTrust, type UseReports } from './redisTrust.js'
import { putEach, removeByPrefix, valuesOf } from './redisValues.js'

const PREFIX = 'riskgate:latest:'
// A replica that ends while Redis is away leaves outdated values behind, for this long at most.
const TTL_SECONDS = 15
const MAX_MISSED = 10_000
const PROBE_SECONDS = 1
// Written at once after an outage.
const GROUP = 500

/**
 * The newest prediction of each applicant, shared by all replicas. Keys are digests and values hold no applicant's reference.
 * Writes that Redis misses are kept and repeated when it answers again; until then, and a little longer, no value in it is
 * trusted.
 */
export class RedisLatestPredictions implements LatestPredictions {
  readonly #link: RedisLink
  readonly #trust: RedisTrust
  readonly #missed = new Map<string, LatestEntry>()
  /** Set when more writes were missed than could be kept. */
  #mustClear = false

  constructor(link: RedisLink, reports: UseReports) {
    this.#link = link
    this.#trust = new RedisTrust(link, { probe: key => probeLatest(link, key), catchUp: () => this.#catchUp(), reports })
  }

  /** Whether Redis answers, and holds no value that may be outdated. */
  get isTrusted(): boolean {
    return this.#trust.isTrusted
  }

  /** Finds nothing while Redis is not trusted. */
  async find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    if (!this.#trust.isTrusted) return new Map()
    const keys = applicantIds.map(id => PREFIX + keyOf(tenant, id))
    const values = await inTime(valuesOf(this.#link.client, keys)).catch(error => this.#trust.lose(error, keys[0]))
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
    if (
      this.#trust.answers &&
      (await this.#write(entries).then(
        () => true,
        () => false,
      ))
    )
      return
    this.#trust.lose()
    for (const [key, entry] of entries) {
      if (replaces(entry, this.#missed.get(key))) this.#missed.set(key, entry)
    }
    if (this.#missed.size <= MAX_MISSED) return
    this.#missed.clear()
    this.#mustClear = true
  }

  async #write(entries: readonly (readonly [string, LatestEntry])[]): Promise<void> {
    const values = entries.map(([key, entry]) => [PREFIX + key, encodeEntry(entry)] as const)
    await inTime(putEach(this.#link.client, values, TTL_SECONDS)).catch(error => {
      this.#trust.lose(error, values[0]?.[0])
      throw error
    })
  }

  async #catchUp(): Promise<void> {
    if (this.#mustClear) await this.#clear()
    while (this.#missed.size > 0) {
      const entries = [...this.#missed].slice(0, GROUP)
      await this.#write(entries)
      for (const [key, entry] of entries) {
        // Not an entry that arrived for the same applicant during the write.
        if (this.#missed.get(key) === entry) this.#missed.delete(key)
      }
    }
  }

  async #clear(): Promise<void> {
    this.#mustClear = false
    try {
      await removeByPrefix(this.#link.client, PREFIX)
    } catch (error) {
      this.#mustClear = true
      throw error
    }
  }
}

/** Writes and reads a value of its own, in the part of a cluster that the refused key belongs to. */
export async function probeLatest({ client }: RedisLink, refusedKey = 'any'): Promise<void> {
  const key = `${PREFIX}probe:{${refusedKey}}`
  await inTime(putEach(client, [[key, '']], PROBE_SECONDS))
  await inTime(valuesOf(client, [key]))
}
