import { type AlertHints, LocalHints } from './hints.js'

const CHANNEL = 'riskgate:alerts'
const RETRY_MS = 1_000

/** A connection to Redis, as hints need it. The client may be another one after each `ready`. */
export interface HintsLink {
  readonly client: { publish(channel: string, message: string): Promise<unknown>; subscribe(channel: string): Promise<unknown> }
  readonly isReady: boolean
  on(event: 'ready', listener: () => void): unknown
  on(event: 'message', listener: (channel: string) => void): unknown
}

/** Hears whether hints arrive. */
export interface HintReports {
  readonly refused: (error: unknown) => void
  readonly works: () => void
}

export interface RedisHintsOptions {
  readonly publisher: HintsLink
  /** A connection of its own: a subscribed one cannot run commands. */
  readonly subscriber: HintsLink
  readonly sent: HintReports
  readonly received: HintReports
}

/** Hints between replicas over Redis publish/subscribe. This process gets its own hints at once, whatever Redis does. */
export class RedisHints implements AlertHints {
  readonly #local = new LocalHints()
  readonly #options: RedisHintsOptions
  #isPublishing = false
  #isDue = false

  constructor(options: RedisHintsOptions) {
    this.#options = options
    const { subscriber } = options
    subscriber.on('message', () => this.#local.publish())
    // After a lost connection hints may have been missed: look once.
    subscriber.on('ready', () => this.#listen())
    if (subscriber.isReady) this.#listen()
  }

  /** Retries: otherwise a Redis that is slow to answer at first would send no hints until its next start. */
  #listen(): void {
    const { subscriber, received } = this.#options
    subscriber.client.subscribe(CHANNEL).then(
      () => {
        received.works()
        this.#local.publish()
      },
      error => {
        if (subscriber.isReady) received.refused(error)
        setTimeout(() => {
          if (subscriber.isReady) this.#listen()
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
    const { publisher, sent } = this.#options
    this.#isPublishing = true
    while (this.#isDue) {
      this.#isDue = false
      if (!publisher.isReady) continue
      await publisher.client.publish(CHANNEL, '').then(sent.works, error => publisher.isReady && sent.refused(error))
    }
    this.#isPublishing = false
  }

  subscribe(wake: () => void): () => void {
    return this.#local.subscribe(wake)
  }
}
