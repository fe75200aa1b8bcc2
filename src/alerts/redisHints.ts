import type { Redis } from 'ioredis'
import { type AlertHints, LocalHints } from './hints.js'

const CHANNEL = 'riskgate:alerts'
const RETRY_MS = 1_000

/** Hints between replicas over Redis publish/subscribe. This process gets its own hints at once, whatever Redis does. */
export class RedisHints implements AlertHints {
  readonly #local = new LocalHints()
  readonly #publisher: Redis
  #isPublishing = false
  #isDue = false

  /** `subscriber` is a connection of its own: a subscribed one cannot run commands. */
  constructor(publisher: Redis, subscriber: Redis) {
    this.#publisher = publisher
    subscriber.on('message', () => this.#local.publish())
    // After a lost connection hints may have been missed: look once.
    subscriber.on('ready', () => this.#listen(subscriber))
  }

  /** Retries: otherwise a Redis that is slow to answer at first would send no hints until its next start. */
  #listen(subscriber: Redis): void {
    subscriber.subscribe(CHANNEL).then(
      () => this.#local.publish(),
      () => {
        setTimeout(() => {
          if (subscriber.status === 'ready') this.#listen(subscriber)
        }, RETRY_MS).unref()
      },
    )
  }

  publish(): void {
    this.#local.publish()
    // Publishes once more after calls that came during a publish: its readers may have read before those commits.
    this.#isDue = true
    if (!this.#isPublishing) void this.#publishDue()
  }

  async #publishDue(): Promise<void> {
    this.#isPublishing = true
    while (this.#isDue) {
      this.#isDue = false
      await this.#publisher.publish(CHANNEL, '').catch(() => {})
    }
    this.#isPublishing = false
  }

  subscribe(wake: () => void): () => void {
    return this.#local.subscribe(wake)
  }
}
