import type { Redis } from 'ioredis'

// How soon a replica that nobody asks anything notices that Redis was away.
const BEAT_MS = 250
/**
 * After an outage the other replicas need this long to write what Redis has missed of theirs: the longest pause before they connect
 * again, and a beat. Until then a value may be one from before the outage.
 */
const SETTLE_MS = 1_500

/**
 * Whether what stands in Redis may be believed. Not while it fails to answer, nor once it answers again until this replica has
 * caught up (`catchUp`) and the others have had the time to.
 */
export class RedisTrust {
  readonly #redis: Redis
  readonly #catchUp: () => Promise<void>
  readonly #timer: NodeJS.Timeout
  #trustedFrom = Number.POSITIVE_INFINITY
  #isBeating = false

  constructor(redis: Redis, catchUp: () => Promise<void>) {
    this.#redis = redis
    this.#catchUp = catchUp
    this.#timer = setInterval(() => void this.#beat(), BEAT_MS).unref()
    // Also when nothing was asked meanwhile: another replica's write may have failed.
    redis.on('close', () => this.lose())
    redis.on('ready', () => void this.#beat())
    redis.once('end', () => clearInterval(this.#timer))
  }

  /** Whether it answered all that it was asked since the last outage. */
  get answers(): boolean {
    return this.#trustedFrom !== Number.POSITIVE_INFINITY
  }

  get isTrusted(): boolean {
    return performance.now() >= this.#trustedFrom
  }

  /** Called when a command has failed. */
  lose(): void {
    this.#trustedFrom = Number.POSITIVE_INFINITY
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return
    this.#isBeating = true
    try {
      await this.#redis.ping()
      // Every time: something may have been missed between the end of the last catching up and what it led to here.
      await this.#catchUp()
      if (!this.answers) this.#trustedFrom = performance.now() + SETTLE_MS
    } catch {
      this.lose()
    } finally {
      this.#isBeating = false
    }
  }
}
