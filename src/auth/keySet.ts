import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../errors.js'
import { fetchKeySet, KeySetError, type KeySetSource } from './fetchKeySet.js'
import type { VerificationKey } from './verificationKey.js'

const TIMINGS = {
  refreshMs: 5 * 60_000,
  retryMs: 5_000,
  // Anybody can send tokens with made-up key ids, as fast as they like; the issuer must not notice.
  minPauseMs: 1_000,
  timeoutMs: 3_000,
  // A day without the issuer is more than an outage, and a key that it withdrew in that time must end at some point.
  keepMs: 24 * 3_600_000,
}
// Each waiting call holds a request open.
const MAX_WAITING = 1_000

export interface KeySetOptions extends Omit<KeySetSource, 'timeoutMs'>, Partial<typeof TIMINGS> {
  /** Called with the keys that are new and those that are gone. */
  readonly changed: (added: readonly VerificationKey[], gone: readonly VerificationKey[]) => void
  /** Called after each fetch, with the reason when it failed. */
  readonly fetched: (failure: KeySetError | undefined) => void
}

/** The key that a token asks for. */
export interface WantedKey {
  readonly id: string | undefined
  readonly algorithm: string
}

/** The public keys of an issuer, as it last published them. While the issuer is away, they stay valid for a day. */
export class KeySet {
  readonly #options: KeySetOptions & typeof TIMINGS
  readonly #end = new AbortController()
  #keys: readonly VerificationKey[] = []
  #keysAt = Date.now()
  #begunAt = Number.NEGATIVE_INFINITY
  #running: Promise<boolean> | undefined
  #upcoming: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #waiting = 0

  constructor(options: KeySetOptions) {
    this.#options = { ...TIMINGS, ...options }
  }

  /** Fetches the keys at once, and then periodically. Does not wait for them: the issuer may be down. */
  start(): void {
    void this.#fetchAgain()
  }

  /** Ends the fetching; returns when no fetch runs. */
  async stop(): Promise<void> {
    this.#end.abort()
    clearTimeout(this.#timer)
    await Promise.all([this.#running, this.#upcoming])
  }

  /**
   * The key that a token names, or the only one that fits when it names none. An unknown key may be new: the answer waits for a
   * fetch that began after the token arrived.
   * @throws AppError SERVICE_UNAVAILABLE when that fetch fails, or too many calls wait
   */
  async find(wanted: WantedKey): Promise<VerificationKey | undefined> {
    const { algorithms } = this.#options
    if (!(algorithms as readonly string[]).includes(wanted.algorithm)) return undefined
    if (this.#knows(wanted)) return this.#match(wanted)
    if (this.#waiting >= MAX_WAITING) throw unavailable()
    this.#waiting++
    try {
      // A running fetch may bring the key, but may have been answered before the key was published.
      if (this.#running && !(await this.#running)) throw unavailable()
      if (!this.#knows(wanted) && !(await this.#fetchAgain())) throw unavailable()
      return this.#match(wanted)
    } finally {
      this.#waiting--
    }
  }

  /** Whether exactly this key is in the set. */
  holds(key: VerificationKey): boolean {
    return this.#keys.includes(key)
  }

  #knows({ id, algorithm }: WantedKey): boolean {
    return this.#keys.some(key => (id === undefined ? key.algorithm === algorithm : key.id === id))
  }

  #match({ id, algorithm }: WantedKey): VerificationKey | undefined {
    const fitting = this.#keys.filter(key => key.algorithm === algorithm && (id === undefined || key.id === id))
    // Among several fitting keys the right one is unknown, even when they share one id.
    return fitting.length === 1 ? fitting[0] : undefined
  }

  /** Runs a fetch that begins after this call; answers whether it succeeded. All calls that arrive before it begins share it. */
  #fetchAgain(): Promise<boolean> {
    this.#upcoming ??= (async () => {
      await this.#running
      const waitMs = this.#begunAt + this.#options.minPauseMs - performance.now()
      if (waitMs > 0) await pause(waitMs, undefined, { ref: false, signal: this.#end.signal }).catch(() => {})
      this.#upcoming = undefined
      if (this.#end.signal.aborted) return false
      this.#begunAt = performance.now()
      this.#running = this.#fetch().finally(() => {
        this.#running = undefined
      })
      return this.#running
    })()
    return this.#upcoming
  }

  async #fetch(): Promise<boolean> {
    const { changed, fetched, refreshMs, retryMs, keepMs, ...source } = this.#options
    clearTimeout(this.#timer)
    let failure: KeySetError | undefined
    try {
      this.#replace(await fetchKeySet(source, this.#end.signal))
    } catch (error) {
      if (!(error instanceof KeySetError)) throw error
      if (this.#end.signal.aborted) return false
      failure = error
      if (Date.now() - this.#keysAt > keepMs) this.#replace([])
    }
    fetched(failure)
    this.#timer = setTimeout(() => this.#fetchAgain(), failure ? retryMs : refreshMs).unref()
    return failure === undefined
  }

  #replace(published: readonly VerificationKey[]): void {
    const isSame = (one: VerificationKey, other: VerificationKey) =>
      one.id === other.id && one.algorithm === other.algorithm && one.fingerprint === other.fingerprint
    const before = this.#keys
    this.#keys = published.map(key => before.find(known => isSame(known, key)) ?? key)
    if (published.length > 0) this.#keysAt = Date.now()
    const added = this.#keys.filter(key => !before.includes(key))
    const gone = before.filter(key => !this.#keys.includes(key))
    if (added.length > 0 || gone.length > 0) this.#options.changed(added, gone)
  }
}

function unavailable(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', "The token issuer's keys are not available at the moment. Try again soon.")
}
