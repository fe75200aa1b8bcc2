import type { SharedName, TracedCall, Tracer } from '../tracer.js'

/** Computes all items of a group; the answer at index i belongs to item i, and an Error there fails that item alone. */
export type GroupRun<Item, Answer> = (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  /** By `performance.now()`, in milliseconds. */
  readonly since: number
  readonly call: TracedCall | undefined
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
  /** How the runs are called in traces; absent: they are not traced. */
  readonly traces?: { readonly tracer: Tracer; readonly name: SharedName } | undefined
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
  #limitTimer: NodeJS.Timeout | undefined
  #whenIdle: (() => void)[] = []

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
      const call = this.#options.traces?.tracer.call()
      this.#waiting.push({ item, resolve, reject, since: performance.now(), call })
      this.#schedule()
      this.#limitWait()
    })
  }

  /** Resolves as soon as no item waits and no group runs. */
  idle(): Promise<void> {
    return new Promise(resolve => {
      this.#whenIdle.push(resolve)
      this.#noteIdle()
    })
  }

  /** Fails all waiting items. After an outage each group would meet it again, one after the other. */
  giveUp(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
    this.#endLimit()
  }

  /**
   * Items wait in the order of their arrival, so one timer serves all of them: it goes off when the oldest has waited too long. When that
   * one has been run meanwhile, the timer is set anew for the oldest of the moment.
   */
  #limitWait(): void {
    const { waitLimit } = this.#options
    const [oldest] = this.#waiting
    if (!waitLimit || !oldest || this.#limitTimer) return
    const waited = performance.now() - oldest.since
    this.#limitTimer = setTimeout(() => {
      this.#limitTimer = undefined
      this.#giveUpOld(waitLimit)
      this.#limitWait()
    }, waitLimit.longestWaitMs - waited).unref()
  }

  /** Nothing waits any more: the timer must not outlive its items. */
  #endLimit(): void {
    clearTimeout(this.#limitTimer)
    this.#limitTimer = undefined
  }

  #giveUpOld({ longestWaitMs, tooLong }: WaitLimit): void {
    const limit = performance.now() - longestWaitMs
    const firstYoung = this.#waiting.findIndex(({ since }) => since > limit)
    const old = this.#waiting.splice(0, firstYoung === -1 ? this.#waiting.length : firstYoung)
    for (const { reject } of old) reject(tooLong())
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#running >= this.#options.maxRunning) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      void this.#runGroup()
    })
  }

  #runTraced(group: readonly Waiting<Item, Answer>[]): Promise<readonly (Answer | Error)[]> {
    const run = () => this.#run(group.map(({ item }) => item))
    const { traces } = this.#options
    if (!traces) return run()
    return traces.tracer.shared(
      traces.name,
      group.map(({ call }) => call),
      run,
    )
  }

  async #runGroup(): Promise<void> {
    const group = this.#waiting.splice(0, this.#options.maxItems)
    if (this.#waiting.length === 0) this.#endLimit()
    // All waiting items were given up.
    if (group.length === 0) return this.#noteIdle()
    this.#running++
    this.#schedule()
    try {
      const answers = await this.#runTraced(group)
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
      this.#noteIdle()
    }
  }

  #noteIdle(): void {
    if (this.#whenIdle.length === 0 || this.#running > 0 || this.#waiting.length > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}
