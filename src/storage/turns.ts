interface Waiting {
  readonly start: () => void
  readonly giveUp: (reason: unknown) => void
}

/** Lets one piece of work run at a time, in the order of asking. */
export class Turns {
  readonly #longestWaitMs: number
  readonly #waiting = new Set<Waiting>()
  #isTaken = false

  constructor(longestWaitMs: number) {
    this.#longestWaitMs = longestWaitMs
  }

  /** Rejects with `tooLong()` for work that had to wait too long, and was not begun. */
  async run<T>(work: () => Promise<T>, tooLong: () => Error): Promise<T> {
    if (this.#isTaken) await this.#wait(tooLong)
    this.#isTaken = true
    try {
      return await work()
    } finally {
      this.#next()
    }
  }

  /** All that waits is given up for this reason: it would only fail in its turn. */
  giveUp(reason: unknown): void {
    for (const waiting of [...this.#waiting]) waiting.giveUp(reason)
  }

  #wait(tooLong: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        settle()
      }
      const waiting: Waiting = { start: () => end(resolve), giveUp: reason => end(() => reject(reason)) }
      const timer = setTimeout(() => waiting.giveUp(tooLong()), this.#longestWaitMs)
      this.#waiting.add(waiting)
    })
  }

  #next(): void {
    const [next] = this.#waiting
    // Stays taken for the next one: who asks meanwhile comes behind it.
    if (next) next.start()
    else this.#isTaken = false
  }
}
