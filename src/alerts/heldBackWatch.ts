// Longer than any statement of riskgate: another program has a transaction open, and an operator should know which.
const WARNING_MS = 1_000

/** Measures how long alerts wait behind an open transaction, and reports that once when it is over a second. */
export class HeldBackWatch {
  readonly #report: () => Promise<void>
  #since: number | undefined
  #position = ''
  #isReported = false

  constructor(report: () => Promise<void>) {
    this.#report = report
  }

  get seconds(): number {
    return this.#since === undefined ? 0 : (performance.now() - this.#since) / 1_000
  }

  /** `position` is how far the log could be read: while it moves on, the waiting alerts are new ones. */
  async note(isHeldBack: boolean, position: string): Promise<void> {
    if (!isHeldBack || position !== this.#position) this.reset()
    this.#position = position
    if (!isHeldBack) return
    this.#since ??= performance.now()
    if (this.#isReported || performance.now() - this.#since < WARNING_MS) return
    this.#isReported = true
    await this.#report()
  }

  reset(): void {
    this.#since = undefined
    this.#isReported = false
  }
}
