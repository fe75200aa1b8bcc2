import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Tracer, UNTRACED } from '../tracer.js'
import { CallPlaces, type OwnedWebhook } from './callPlaces.js'
import { webhookMessage } from './webhookMessage.js'
import type { AttemptResult, OutboxStep, TakenDelivery, WebhookOutbox } from './webhookOutbox.js'
import { NoAnswerError, postWebhook, type WebhookAnswer, type WebhookRequestOptions } from './webhookRequest.js'
import { signWebhook } from './webhookSignature.js'

// Calls that have not ended by then are aborted. The next gateway that runs makes them again.
const STOP_GRACE_MS = 1_000
const GONE = 410
// The statuses that say when to come again (RFC 6585, RFC 9110).
const TOO_MANY_REQUESTS = 429
const UNAVAILABLE = 503

export interface CourierOptions extends WebhookRequestOptions {
  readonly outbox: WebhookOutbox
  readonly maxAttempts: number
  /** The longest wait that an endpoint may ask for; 0: none is granted. */
  readonly longestWaitSeconds: number
  /** Milliseconds since 1970. Receivers refuse a call whose time is minutes away from theirs. */
  readonly now: () => number
  /** Called when a place for a call is free again. */
  readonly freed: () => void
  /** Called once the result of an attempt is stored. */
  readonly ended: (result: AttemptResult, delivery: TakenDelivery) => void
  /** Called when the store failed. Nothing is lost: the deliveries are due again later. */
  readonly failed: (error: unknown, step: OutboxStep) => void
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** Takes due deliveries and makes the calls, a bounded number at once. */
export class WebhookCourier {
  readonly #options: CourierOptions
  readonly #places = new CallPlaces()
  readonly #calls = new Set<Promise<void>>()
  /** Aborts the calls. */
  readonly #stopped = new AbortController()
  #isStopping = false

  constructor(options: CourierOptions) {
    this.#options = options
    // Each call adds a listener, and the places bound their number.
    setMaxListeners(0, this.#stopped.signal)
  }

  /** Begins a call for each due delivery that finds a place. Never twice at once: places would be counted twice. */
  async collect(webhooks: readonly OwnedWebhook[]): Promise<void> {
    // When places are short, the webhook with the fewest calls comes first.
    const fewestFirst = (one: OwnedWebhook, other: OwnedWebhook) =>
      this.#places.heldBy(one.webhookId) - this.#places.heldBy(other.webhookId)
    for (const webhook of webhooks.toSorted(fewestFirst)) {
      if (this.#isStopping) return
      const room = this.#places.room(webhook)
      if (room <= 0) continue
      for (const delivery of await this.#take(webhook, room)) this.#call(webhook, delivery)
    }
  }

  async #take({ webhookId }: OwnedWebhook, room: number): Promise<readonly TakenDelivery[]> {
    try {
      return await this.#options.outbox.take(webhookId, room)
    } catch (error) {
      this.#options.failed(error, 'take')
      return []
    }
  }

  #call(webhook: OwnedWebhook, delivery: TakenDelivery): void {
    this.#places.take(webhook)
    const call = this.#deliver(delivery)
      .catch(error => this.#options.failed(error, 'settle'))
      .then(() => {
        this.#calls.delete(call)
        this.#places.release(webhook)
        this.#options.freed()
      })
    this.#calls.add(call)
  }

  /** Lets `collect` end early. What it takes at this moment is given back. */
  takeNoMore(): void {
    this.#isStopping = true
  }

  /** Waits for the running calls, for a short while; then aborts them. */
  async stop(): Promise<void> {
    this.takeNoMore()
    const ended = Promise.all(this.#calls)
    const grace = new AbortController()
    await Promise.race([ended, sleep(STOP_GRACE_MS, undefined, { signal: grace.signal }).catch(() => {})])
    grace.abort()
    this.#stopped.abort()
    await ended
  }

  async #deliver(delivery: TakenDelivery): Promise<void> {
    const { outbox, ended } = this.#options
    if (this.#isStopping) return outbox.giveBack(delivery)
    let result: AttemptResult
    try {
      result = await this.#attempt(delivery)
    } catch (error) {
      if (this.#stopped.signal.aborted) return outbox.giveBack(delivery)
      throw error
    }
    await outbox.settle(delivery, result)
    ended(result, delivery)
  }

  async #attempt(delivery: TakenDelivery): Promise<AttemptResult> {
    const { alert, url, secrets, attempts } = delivery
    if (!alert) return { state: 'DEAD', status: null, error: 'The alert is no longer kept.' }
    const body = webhookMessage(alert)
    const now = this.#options.now()
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'riskgate',
      ...signWebhook(alert.id, new Date(now), body, secrets),
    }
    const { tracer = UNTRACED } = this.#options
    const post = async (traceHeaders: Readonly<Record<string, string>>) => {
      const call = { url, headers: { ...headers, ...traceHeaders }, body, now, signal: this.#stopped.signal }
      const answer = await postWebhook(call, this.#options)
      tracer.describeRequest({ 'http.response.status_code': answer.status })
      return answer
    }
    try {
      const answer = await tracer.outgoing('webhook call', { 'riskgate.webhook.attempt': attempts + 1 }, post)
      const { status } = answer
      if (status >= 200 && status < 300) return { state: 'DELIVERED', status, error: null }
      return this.#postponed(delivery, answer) ?? this.#failure(delivery, status, sentenceFor(status))
    } catch (error) {
      if (error instanceof NoAnswerError) return this.#failure(delivery, null, error.message)
      throw error
    }
  }

  /** Undefined where the endpoint does not ask to wait, or may not. */
  #postponed({ mayWait }: TakenDelivery, { status, retryAfterSeconds: asked }: WebhookAnswer): AttemptResult | undefined {
    if (status !== TOO_MANY_REQUESTS && status !== UNAVAILABLE) return undefined
    const waitSeconds = Math.min(asked ?? 0, this.#options.longestWaitSeconds)
    if (!mayWait || waitSeconds === 0) return undefined
    const error = `The endpoint answered with status ${status} and asked for a pause; the next attempt is in ${waitSeconds} s or later.`
    return { state: 'PENDING', status, error, waitSeconds }
  }

  #failure({ attempts }: TakenDelivery, status: number | null, error: string): AttemptResult {
    if (status === GONE) return { state: 'DEAD', status, error }
    const attempt = attempts + 1
    if (attempt < this.#options.maxAttempts) return { state: 'PENDING', status, error }
    return { state: 'DEAD', status, error: `${error} That was the last of ${attempt} attempts.` }
  }
}

function sentenceFor(status: number): string {
  if (status === GONE) return 'The endpoint answered 410: it does not want this alert.'
  if (status >= 300 && status < 400) return `The endpoint answered with a redirect (${status}), which is not followed.`
  return `The endpoint answered with status ${status}.`
}
