import type { Principal } from '../../auth/principal.js'
import type { ErrorCode } from '../../errors.js'
import type { Auth } from '../access.js'
import type { AddressLimit } from '../limits/addressLimit.js'
import type { StreamLimit } from '../limits/streamLimit.js'
import type { SubscriptionsOptions } from './subscriptions.js'

/** The options of each way of subscribing. */
export interface StreamOptions extends SubscriptionsOptions {
  readonly auth: Auth
  readonly addresses: AddressLimit
  readonly streams: StreamLimit
  readonly observe: ObserveStream
}

/** The streams of one transport. */
export interface OpenStreams {
  /** How many are open. */
  readonly open: number
  /** Ends them all, so that clients connect again elsewhere, and takes no more. */
  close(): Promise<void> | void
}

/** The cause of closing a stream that its client did not read. Clients see a close code, never this. */
export const SLOW_SUBSCRIBER = 'SLOW_SUBSCRIBER'
export type CloseCause = ErrorCode | typeof SLOW_SUBSCRIBER

/** The end of a subscription, or of a WebSocket that was closed for a mistake of its client. */
export interface StreamReport {
  readonly connectionId: string
  /** Root field of the subscription, `none` when its document was not valid. Undefined for a WebSocket. */
  readonly operation?: string
  /** `OK`, or the code of the first error; for a subscription without one, why its connection was closed. */
  readonly code: string
  /** Since the request to subscribe, or since the WebSocket opened. */
  readonly seconds: number
  /** Undefined before the client is authenticated. */
  readonly principal: Principal | undefined
}

export type ObserveStream = (report: StreamReport) => void
