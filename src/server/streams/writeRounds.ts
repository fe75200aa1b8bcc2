// A subscriber waits this much longer at most, of the quarter of a second that an alert may take.
const MAX_REST_MS = 50
// Writing gets about a fifth of the time: a call into the operating system costs more than the alerts that share it.
const REST_FACTOR = 4

/**
 * Writes what many send queues hold, in rounds. The next round comes at once where the last took no time; the longer it took, the
 * longer the rest after it, in which more is gathered for each socket. So nothing waits where there is little to do.
 */
export class WriteRounds {
  #waiting = new Set<{ flush(): void }>()
  #isDue = false
  #restsUntil = 0

  add(queue: { flush(): void }): void {
    this.#waiting.add(queue)
    if (this.#isDue) return
    this.#isDue = true
    const rest = this.#restsUntil - performance.now()
    // Not before all that this turn of the event loop brings has been gathered.
    if (rest < 1) setImmediate(() => this.#run())
    else setTimeout(() => this.#run(), rest)
  }

  #run(): void {
    const startedAt = performance.now()
    const queues = this.#waiting
    this.#waiting = new Set()
    this.#isDue = false
    for (const queue of queues) queue.flush()
    const endedAt = performance.now()
    this.#restsUntil = endedAt + Math.min((endedAt - startedAt) * REST_FACTOR, MAX_REST_MS)
  }
}
