interface Waiting {
  readonly start: () => void
  readonly giveUp: (reason: unknown) => void
}

/** Runs so many pieces of work at once; the others wait for their turn, in the order of asking. */
export class Turns {
  readonly #waiting = new Set<Waiting>()
  #free: number

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /** What has to wait for longer than `longestWaitMs` is not begun, and rejects with `tooLong()`. */
  async run<T>(work: () => Promise<T>, limit?: { longestWaitMs: number; tooLong: () => Error }): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#wait(limit)
    try {
      return await work()
    } finally {
      // Whoever waits takes over the place: it is never free for somebody who came later.
      const [next] = this.#waiting
      if (next) next.start()
      else this.#free++
    }
  }

  /** All that waits is given up for this reason: it would only fail in its turn. */
  giveUp(reason: unknown): void {
    for (const waiting of [...this.#waiting]) waiting.giveUp(reason)
  }

  #wait(limit?: { longestWaitMs: number; tooLong: () => Error }): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        settle()
      }
      const waiting: Waiting = { start: () => end(resolve), giveUp: reason => end(() => reject(reason)) }
      const timer = limit && setTimeout(() => waiting.giveUp(limit.tooLong()), limit.longestWaitMs)
      this.#waiting.add(waiting)
    })
  }
}
