import type { HighRiskAlert } from '../scoring/prediction.js'

/** The parts of an alert that a webhook's message is made from. */
export type WebhookAlert = Pick<HighRiskAlert, 'id' | 'cursor' | 'raisedAt' | 'prediction'>

/** A due delivery that this gateway alone has taken from the queue. */
export interface TakenDelivery {
  readonly id: string
  readonly webhookId: string
  readonly jobId: string
  /** When it was put into the queue: a result counts only if the delivery has not been queued again since. */
  readonly queuedAt: Date
  /** The number of earlier attempts. */
  readonly attempts: number
  readonly url: string
  /** The secrets that sign, the newest first. */
  readonly secrets: readonly string[]
  /** Undefined when the alert is no longer kept. */
  readonly alert: WebhookAlert | undefined
}

/** The state of a delivery. `PENDING`: it is still tried. `DEAD`: it was given up. */
export const DELIVERY_STATES = ['PENDING', 'DELIVERED', 'DEAD'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** How an attempt ended. `PENDING`: the delivery is tried again after a pause. */
export interface AttemptResult {
  readonly state: DeliveryState
  /** HTTP status of the answer; null when there was none. */
  readonly status: number | null
  /** Why it failed, in a sentence without the address; null when it did not. */
  readonly error: string | null
}

/** A webhook, and the work that it has. */
export interface WebhookWork {
  readonly webhookId: string
  readonly tenant: string
  /** Whether settled alerts follow its position in the feed. */
  readonly isBehind: boolean
  readonly hasPending: boolean
}

/** The store's part in bringing alerts to webhooks, for dispatcher and courier. Any gateway may do any step at any time. */
export interface WebhookOutbox {
  /** All webhooks, with the work that each has. */
  work(): Promise<readonly WebhookWork[]>
  /** Turns the next alerts after the webhook's position into deliveries and advances it; answers whether more may follow. */
  gather(webhookId: string): Promise<boolean>
  /** Puts waiting deliveries into the queue; answers whether more may wait. */
  handOver(): Promise<boolean>
  /** Takes due deliveries of a webhook. */
  take(webhookId: string, limit: number): Promise<readonly TakenDelivery[]>
  /** Stores how an attempt ended; the queue brings a pending delivery again after a pause. */
  settle(delivery: TakenDelivery, result: AttemptResult): Promise<void>
  /** Returns a delivery to the queue: it is due at once, as if it had not been taken. */
  giveBack(delivery: TakenDelivery): Promise<void>
}
