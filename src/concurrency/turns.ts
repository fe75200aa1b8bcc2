import type { WaitLimit } from './batcher.js'

interface Waiting {
  readonly start: () => void
  readonly giveUp: (reason: unknown) => void
}

/** Runs a limited number of pieces of work at once; the others wait for their turn, in the order of their arrival. */
export class Turns {
  readonly #waiting = new Set<Waiting>()
  #free: number

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /** How many pieces wait for their turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Work that waits for longer than `longestWaitMs` is not begun, and rejects with `tooLong()`. */
  async run<T>(work: () => Promise<T>, limit?: WaitLimit): Promise<T> {
    if (this.#free > 0) this.#free--
    else await this.#wait(limit)
    try {
      return await work()
    } finally {
      // The first waiting call takes over the turn: a later call never gets it before.
      const [next] = this.#waiting
      if (next) next.start()
      else this.#free++
    }
  }

  /** Rejects all waiting work with this reason: it would only fail in its turn. */
  giveUp(reason: unknown): void {
    for (const waiting of [...this.#waiting]) waiting.giveUp(reason)
  }

  #wait(limit?: WaitLimit): Promise<void> {
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
