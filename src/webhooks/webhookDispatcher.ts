import type { AlertHints } from '../alerts/hints.js'
import { type CourierOptions, WebhookCourier } from './webhookCourier.js'

// Without any hint an alert or a due retry is on its way after this long at the latest.
const POLL_MS = 500
// Under load every commit sends a hint and every ended call frees a place: one round serves several of them.
const REST_MS = 20

export interface WebhookDispatcherOptions extends Omit<CourierOptions, 'freed'> {
  readonly hints: AlertHints
}

/** Follows the feed for the webhooks. Every gateway has one; they share the work by locks in the store. */
export class WebhookDispatcher {
  readonly #options: WebhookDispatcherOptions
  readonly #courier: WebhookCourier
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #isWoken = false
  #hasWebhooks = true
  #stopped = false
  #unsubscribe = () => {}

  constructor(options: WebhookDispatcherOptions) {
    this.#options = options
    this.#courier = new WebhookCourier({ ...options, freed: () => this.#wake() })
  }

  start(): void {
    this.#unsubscribe = this.#options.hints.subscribe(() => this.#wake())
    this.#wake()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    clearTimeout(this.#timer)
    // The round ends after the statement in hand: while Postgres is frozen, each further one would take over a second.
    this.#courier.takeNoMore()
    await this.#round
    await this.#courier.stop()
  }

  /** There may be work: begins a round soon. */
  #wake(): void {
    // Without webhooks a hint speeds nothing up, and each commit would cost an idle query.
    if (this.#isWoken || !this.#hasWebhooks) return
    this.#isWoken = true
    if (!this.#round) this.#after(REST_MS)
  }

  #after(pauseMs: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#isWoken = false
      this.#round = this.#work()
        .catch(error => this.#options.failed(error, 'work'))
        .then(() => {
          this.#round = undefined
          this.#after(this.#isWoken ? REST_MS : POLL_MS)
        })
    }, pauseMs).unref()
  }

  async #work(): Promise<void> {
    const { outbox } = this.#options
    const work = await outbox.work()
    this.#hasWebhooks = work.length > 0
    for (const { webhookId, isBehind } of work) {
      // A page of each in turn: a webhook that is far behind, or whose statement fails, must not hold up the others.
      if (isBehind && !this.#stopped && (await this.#gather(webhookId))) this.#wake()
    }
    await this.#courier.collect(work.filter(({ isBehind, hasDue }) => isBehind || hasDue))
  }

  async #gather(webhookId: string): Promise<boolean> {
    const { outbox, failed } = this.#options
    return outbox.gather(webhookId).catch(error => {
      failed(error, 'gather')
      return false
    })
  }
}
