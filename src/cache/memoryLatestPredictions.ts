import type { Prediction } from '../scoring/prediction.js'

const MAX_APPLICANTS = 10_000

/** The newest prediction of recent applicants, within this process: right for one replica. */
export class MemoryLatestPredictions {
  readonly #latest = new Map<string, Prediction>()

  async find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    const found = applicantIds.map(id => [id, this.#latest.get(keyOf(tenant, id))] as const)
    return new Map(found.filter((entry): entry is [string, Prediction] => entry[1] !== undefined))
  }

  async remember(predictions: readonly Prediction[]): Promise<void> {
    for (const prediction of predictions) {
      const key = keyOf(prediction.tenant, prediction.applicantId)
      const known = this.#latest.get(key)
      if (known && known.id > prediction.id) continue
      this.#latest.delete(key)
      this.#latest.set(key, prediction)
      if (this.#latest.size > MAX_APPLICANTS) this.#latest.delete(this.#latest.keys().next().value as string)
    }
  }
}

function keyOf(tenant: string, applicantId: string): string {
  return `${tenant} ${applicantId}`
}
