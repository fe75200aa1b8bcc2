/** What a client may take of a connection. */
export interface TransportLimits {
  /** Address and headers of a request. */
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
  /** From the first byte of a connection's turn to the last of its headers. */
  readonly headersMs: number
  /** From there to the last of its body. */
  readonly requestMs: number
  /** Without a byte either way while a request is in hand. */
  readonly idleMs: number
  /** From the end of an answer until the client has taken it. */
  readonly answerMs: number
  /** Between two requests. */
  readonly keepAliveMs: number
  readonly handshakeMs: number
  /** How often all that is looked at. */
  readonly checkEveryMs: number
}

export const TRANSPORT_LIMITS: TransportLimits = {
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 30_000,
  answerMs: 60_000,
  // Longer than load balancers keep theirs, 60 s with most: else they send a request into a connection that just closes.
  keepAliveMs: 72_000,
  handshakeMs: 10_000,
  checkEveryMs: 1_000,
}
