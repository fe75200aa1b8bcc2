import { type RegistryEvent, subjectOf } from './registryEvent.js'
import { MAX_AGE_MS } from './webhookDelivery.js'

// An id may come again as long as its timestamp is within the bounds, on either side of our clock.
const REMEMBERED_MS = 2 * MAX_AGE_MS
// Only signed deliveries are remembered, so that nobody else can fill it.
const MOST_SUBJECTS = 10_000

/** Remembers the deliveries of the last minutes, and the newest event of each subject. */
export class AcceptedDeliveries {
  readonly #ids = new Map<string, number>()
  readonly #newest = new Map<string, number>()

  isKnown(id: string, nowMs: number): boolean {
    const acceptedAt = this.#ids.get(id)
    return acceptedAt !== undefined && nowMs - acceptedAt <= REMEMBERED_MS
  }

  /** Accepts a verified delivery. False: a newer event of its subject came before, and it says nothing new. */
  accept({ id, event }: { id: string; event: RegistryEvent }, nowMs: number): boolean {
    this.#forget(nowMs)
    this.#ids.set(id, nowMs)
    const subject = subjectOf(event)
    const newest = this.#newest.get(subject)
    if (newest !== undefined && newest > event.timestamp) return false
    this.#newest.delete(subject)
    this.#newest.set(subject, event.timestamp)
    return true
  }

  #forget(nowMs: number): void {
    // Both maps are in the order in which their entries were made.
    for (const [id, acceptedAt] of this.#ids) {
      if (nowMs - acceptedAt <= REMEMBERED_MS) break
      this.#ids.delete(id)
    }
    for (const subject of this.#newest.keys()) {
      if (this.#newest.size < MOST_SUBJECTS) break
      this.#newest.delete(subject)
    }
  }
}
