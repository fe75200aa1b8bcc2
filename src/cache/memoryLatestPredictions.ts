import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Prediction } from '../scoring/prediction.js'
import { keyOf, type LatestEntry, replaces } from './latestEntry.js'

const MAX_APPLICANTS = 10_000
// Rows may leave the history without this cache hearing of it, as by the retention: an entry is not trusted for ever.
const TTL_MS = 60_000

/** The newest prediction of recent applicants, within this process: correct for a single replica. */
export class MemoryLatestPredictions implements LatestPredictions {
  readonly #latest = new Map<string, LatestEntry & { readonly until: number }>()

  async find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    const now = performance.now()
    return new Map(
      applicantIds.flatMap(id => {
        const known = this.#latest.get(keyOf(tenant, id))
        return known?.prediction && known.until > now ? [[id, known.prediction] as const] : []
      }),
    )
  }

  async remember(predictions: readonly Prediction[]): Promise<void> {
    for (const prediction of predictions) {
      this.#put(keyOf(prediction.tenant, prediction.applicantId), { id: prediction.id, prediction })
    }
  }

  async forget(tenant: string, applicantId: string, lastId: string): Promise<void> {
    this.#put(keyOf(tenant, applicantId), { id: lastId, prediction: undefined })
  }

  #put(key: string, entry: LatestEntry): void {
    const now = performance.now()
    const known = this.#latest.get(key)
    if (known && known.until > now && !replaces(entry, known)) return
    this.#latest.delete(key)
    this.#latest.set(key, { ...entry, until: now + TTL_MS })
    if (this.#latest.size > MAX_APPLICANTS) this.#latest.delete(this.#latest.keys().next().value as string)
  }
}
