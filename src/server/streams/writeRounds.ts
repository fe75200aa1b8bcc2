// A subscriber waits at most this much longer; an alert may take a quarter of a second in all.
const MAX_REST_MS = 50
// Writing gets about a fifth of the time: a call into the operating system costs more than the alerts that it carries.
const REST_FACTOR = 4

/**
 * Writes the texts of many send queues, in rounds. The longer a round took, the longer the rest after it, in which each socket
 * gathers more. After a round that took no time, the next comes at once. So nothing waits where there is little to do.
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
    // Only after this turn of the event loop, so that all its texts are gathered first.
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
