import type { HighRiskAlert } from '../scoring/prediction.js'

/** What of an alert goes to a webhook. */
export type WebhookAlert = Pick<HighRiskAlert, 'id' | 'cursor' | 'raisedAt' | 'prediction'>

/** A delivery whose turn has come, taken from the queue by this gateway alone. */
export interface TakenDelivery {
  readonly id: string
  readonly webhookId: string
  readonly jobId: string
  /** When it was put into the queue: a result counts only while it is there since then. */
  readonly queuedAt: Date
  /** Attempts that have ended before. */
  readonly attempts: number
  readonly url: string
  /** Those that sign, the newest first. */
  readonly secrets: readonly string[]
  /** Undefined when the alert is no longer kept. */
  readonly alert: WebhookAlert | undefined
}

/** How a delivery stands. `PENDING`: it is still tried. `DEAD`: it was given up. */
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

/** A webhook, and what there is to do for it. */
export interface WebhookWork {
  readonly webhookId: string
  /** Settled alerts follow its place in the feed. */
  readonly isBehind: boolean
  readonly hasPending: boolean
}

/** The way of alerts to webhooks in the store; consumed by the dispatcher and the courier. Any gateway may do any step at any time. */
export interface WebhookOutbox {
  /** All webhooks. */
  work(): Promise<readonly WebhookWork[]>
  /** Turns the next alerts after the webhook's place into deliveries and advances the place; answers whether more may follow. */
  gather(webhookId: string): Promise<boolean>
  /** Puts deliveries that wait for it into the queue; answers whether more may wait. */
  handOver(): Promise<boolean>
  /** Takes deliveries of a webhook whose turn has come. */
  take(webhookId: string, limit: number): Promise<readonly TakenDelivery[]>
  /** Writes down how an attempt ended, and has the queue bring a pending one again after a pause. */
  settle(delivery: TakenDelivery, result: AttemptResult): Promise<void>
  /** Has the queue bring it again at once, as if it had not been taken. */
  giveBack(delivery: TakenDelivery): Promise<void>
}
