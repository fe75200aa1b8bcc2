import type { HighRiskAlert } from '../scoring/prediction.js'

/** The parts of an alert that a webhook's message is made from. */
export type WebhookAlert = Pick<HighRiskAlert, 'id' | 'cursor' | 'raisedAt' | 'prediction'>

/** A due delivery that this gateway alone has taken. */
export interface TakenDelivery {
  readonly id: string
  readonly webhookId: string
  /** A result counts only while the delivery is in this turn: not if it was taken again or begun anew since. */
  readonly turn: number
  /** The number of earlier attempts that count. */
  readonly attempts: number
  /** Whether it is young enough to wait as long as its endpoint asks, without an attempt being counted. */
  readonly mayWait: boolean
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
  /** So long the pause lasts at least, and this attempt does not count. Absent: the usual pause. */
  readonly waitSeconds?: number
}

/** A step of the outbox, as logs and metrics name it. */
export const OUTBOX_STEPS = ['work', 'gather', 'take', 'settle'] as const
export type OutboxStep = (typeof OUTBOX_STEPS)[number]

/** A webhook, and the work that it has. */
export interface WebhookWork {
  readonly webhookId: string
  readonly tenant: string
  /** Whether settled alerts follow its position in the feed, and it has room for them. */
  readonly isBehind: boolean
  /** Whether deliveries are due. */
  readonly hasDue: boolean
}

/** The store's part in bringing alerts to webhooks, for dispatcher and courier. Any gateway may do any step at any time. */
export interface WebhookOutbox {
  /** All webhooks, with the work that each has. */
  work(): Promise<readonly WebhookWork[]>
  /**
   * Turns the next alerts after the webhook's position into deliveries and advances it; answers whether more may follow. Takes none
   * while many deliveries are due: the feed is the backlog.
   */
  gather(webhookId: string): Promise<boolean>
  /** Takes due deliveries of a webhook. */
  take(webhookId: string, limit: number): Promise<readonly TakenDelivery[]>
  /** Stores how an attempt ended; a pending delivery is due again after a pause. */
  settle(delivery: TakenDelivery, result: AttemptResult): Promise<void>
  /** Gives a delivery back: it is due at once, as if it had not been taken. */
  giveBack(delivery: TakenDelivery): Promise<void>
}
