/** Computes all items of a group; the answer at index i belongs to item i, and an Error there fails that item alone. */
export type GroupRun<Item, Answer> = (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export interface BatcherOptions {
  /** A group has at most this many items: one slow item must not hold up too many others. */
  readonly maxItems: number
  /** Groups that may run at the same time. */
  readonly maxRunning: number
}

/**
 * Joins calls that arrive together into one run. An idle batcher starts at the end of the current turn of the event loop, without
 * an artificial wait; a busy one collects the calls that arrive during its runs.
 */
export class Batcher<Item, Answer> {
  readonly #run: GroupRun<Item, Answer>
  readonly #options: BatcherOptions
  #waiting: Waiting<Item, Answer>[] = []
  #running = 0
  #scheduled = false

  constructor(run: GroupRun<Item, Answer>, options: BatcherOptions) {
    this.#run = run
    this.#options = options
  }

  /** Items not yet handed to a run. */
  get queued(): number {
    return this.#waiting.length
  }

  submit(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#schedule()
    })
  }

  /** Fails all waiting items. After an outage each group would meet it again, one after the other. */
  giveUp(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#running >= this.#options.maxRunning) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#runGroup()
    })
  }

  async #runGroup(): Promise<void> {
    const group = this.#waiting.splice(0, this.#options.maxItems)
    // All waiting items were given up.
    if (group.length === 0) return
    this.#running++
    this.#schedule()
    try {
      const answers = await this.#run(group.map(({ item }) => item))
      group.forEach(({ resolve, reject }, i) => {
        const answer = answers[i]
        if (answer === undefined || answer instanceof Error) reject(answer ?? new Error('The group run left an item unanswered.'))
        else resolve(answer)
      })
    } catch (error) {
      for (const { reject } of group) reject(error)
    } finally {
      this.#running--
      this.#schedule()
    }
  }
}
