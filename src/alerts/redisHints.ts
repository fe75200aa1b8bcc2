import type { Redis } from 'ioredis'
import { type AlertHints, LocalHints } from './hints.js'

const CHANNEL = 'riskgate:alerts'

/** Hints between replicas over Redis publish/subscribe. This process is told at once, whatever Redis does. */
export class RedisHints implements AlertHints {
  readonly #local = new LocalHints()
  readonly #publisher: Redis
  #isPublishing = false

  /** `subscriber` is a connection of its own: a subscribed one cannot run commands. */
  constructor(publisher: Redis, subscriber: Redis) {
    this.#publisher = publisher
    subscriber.on('message', () => this.#local.publish())
    // After a lost connection hints may have been missed: look once.
    subscriber.on('ready', () => {
      subscriber.subscribe(CHANNEL).then(
        () => this.#local.publish(),
        () => {},
      )
    })
  }

  publish(): void {
    this.#local.publish()
    // One on its way is as good as many: the readers look once for all of them.
    if (this.#isPublishing) return
    this.#isPublishing = true
    this.#publisher
      .publish(CHANNEL, '')
      .catch(() => {})
      .finally(() => {
        this.#isPublishing = false
      })
  }

  subscribe(wake: () => void): () => void {
    return this.#local.subscribe(wake)
  }
}
