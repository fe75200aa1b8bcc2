const SECOND_MS = 1_000

/**
 * Chooses which successes are logged while there are more than `perSecond`. Each is chosen by chance, so that every part of the
 * traffic can be counted by adding up what its lines stand for.
 */
export class SuccessSampling {
  readonly #perSecond: number
  readonly #random: () => number
  #until = 0
  #seen = 0
  #chosen = 0
  #oneIn = 1

  /** `perSecond` 0: all are chosen. `random` gives numbers from 0 up to 1. */
  constructor(perSecond: number, random: () => number = Math.random) {
    this.#perSecond = perSecond
    this.#random = random
  }

  /** How many successes the line of this one stands for; undefined where it is left out. */
  next(): number | undefined {
    if (this.#perSecond === 0) return 1
    const now = performance.now()
    if (now >= this.#until) this.#begin(now)
    this.#seen++
    // A sudden flood: the second before did not tell of it.
    if (this.#chosen >= this.#perSecond) {
      this.#oneIn *= 2
      this.#chosen = 0
    }
    if (this.#random() * this.#oneIn >= 1) return undefined
    this.#chosen++
    return this.#oneIn
  }

  /** The rate of the second before, if there was one, is expected to go on. */
  #begin(now: number): void {
    this.#oneIn = now < this.#until + SECOND_MS ? Math.max(1, Math.ceil(this.#seen / this.#perSecond)) : 1
    this.#until = now + SECOND_MS
    this.#seen = 0
    this.#chosen = 0
  }
}
