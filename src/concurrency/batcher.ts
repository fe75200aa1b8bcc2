/** Computes all items of a group; the answer at index i belongs to item i, and an Error there fails that item alone. */
export type GroupRun<Item, Answer> = (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  readonly timer: NodeJS.Timeout | undefined
}

/** How long an item may wait for a run. */
export interface WaitLimit {
  readonly longestWaitMs: number
  /** The error of an item that has waited for so long; no run gets it. */
  readonly tooLong: () => Error
}

export interface BatcherOptions {
  /** A group has at most this many items: one slow item must not hold up too many others. */
  readonly maxItems: number
  /** Groups that may run at the same time. */
  readonly maxRunning: number
  /** Needed where a run may hang, as that of a statement may: without it the items behind the run wait for as long as it hangs. */
  readonly waitLimit?: WaitLimit
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
      const { waitLimit } = this.#options
      const timer = waitLimit && setTimeout(() => this.#giveUpOne(waiting, waitLimit.tooLong()), waitLimit.longestWaitMs)
      const waiting: Waiting<Item, Answer> = { item, resolve, reject, timer }
      this.#waiting.push(waiting)
      this.#schedule()
    })
  }

  /** Fails all waiting items. After an outage each group would meet it again, one after the other. */
  giveUp(error: unknown): void {
    for (const { reject } of this.#take(this.#waiting.length)) reject(error)
  }

  #giveUpOne(waiting: Waiting<Item, Answer>, error: Error): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
    waiting.reject(error)
  }

  /** Takes the next items, which then wait no longer. */
  #take(count: number): Waiting<Item, Answer>[] {
    const taken = this.#waiting.splice(0, count)
    for (const { timer } of taken) clearTimeout(timer)
    return taken
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
    const group = this.#take(this.#options.maxItems)
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
