/** Says that the feed may have something new. Losing a hint costs latency, never an alert. */
export interface AlertHints {
  /** Tells every gateway, this one included. */
  publish(): void
  /** Calls back at each hint until the returned function is called. */
  subscribe(wake: () => void): () => void
}

/** Hints within this process: enough for one replica. */
export class LocalHints implements AlertHints {
  readonly #wakes = new Set<() => void>()

  publish(): void {
    for (const wake of this.#wakes) wake()
  }

  subscribe(wake: () => void): () => void {
    this.#wakes.add(wake)
    return () => this.#wakes.delete(wake)
  }
}
