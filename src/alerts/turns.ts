/** Runs so many pieces of work at once; the others wait for their turn, in order. */
export class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // Whoever waits takes over the place: it is never free for somebody who came later.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
