// Longer than any statement of ours: somebody else's transaction is open, and an operator should know whose.
const WARNING_MS = 1_000

/** Follows how long alerts wait behind an open transaction, and says once whose it is when that is over a second. */
export class HeldBackWatch {
  readonly #tell: () => Promise<void>
  #since: number | undefined
  #position = ''
  #isTold = false

  constructor(tell: () => Promise<void>) {
    this.#tell = tell
  }

  get seconds(): number {
    return this.#since === undefined ? 0 : (performance.now() - this.#since) / 1_000
  }

  /** `position` is how far the log could be read: while it moves on, what waits is only new. */
  async note(isHeldBack: boolean, position: string): Promise<void> {
    if (!isHeldBack || position !== this.#position) this.reset()
    this.#position = position
    if (!isHeldBack) return
    this.#since ??= performance.now()
    if (this.#isTold || performance.now() - this.#since < WARNING_MS) return
    this.#isTold = true
    await this.#tell()
  }

  reset(): void {
    this.#since = undefined
    this.#isTold = false
  }
}
