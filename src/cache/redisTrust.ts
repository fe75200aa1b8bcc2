import type { Redis } from 'ioredis'

// How soon an idle replica notices that Redis was away.
export const BEAT_MS = 250
/**
 * After an outage the other replicas need this long to write the values that Redis missed: the longest pause before they
 * reconnect, and a beat. Until then a value in Redis may be older than the outage.
 */
const SETTLE_MS = 1_500

/**
 * Whether values in Redis may be trusted. Not while Redis fails to answer, and afterwards only once this replica has caught up
 * (`catchUp`) and the others have had the time to.
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
    // Even when this replica sent no command during the outage: another replica's write may have failed.
    redis.on('close', () => this.lose())
    redis.on('ready', () => void this.#beat())
    redis.once('end', () => clearInterval(this.#timer))
  }

  /** Whether Redis has answered every command since the last outage. */
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
      // On every beat: a write may have been missed after the last catch-up ended and before Redis was trusted again.
      await this.#catchUp()
      if (!this.answers) this.#trustedFrom = performance.now() + SETTLE_MS
    } catch {
      this.lose()
    } finally {
      this.#isBeating = false
    }
  }
}
