/** How much time and space a client may take on a connection. */
export interface TransportLimits {
  /** For the address and headers of a request together. */
  readonly maxHeaderBytes: number
  readonly maxHeaders: number
  /** From the first byte of a request to the last byte of its headers. */
  readonly headersMs: number
  /** From the same first byte to the last byte of its body. */
  readonly requestMs: number
  /** Without a byte in either direction during a request. */
  readonly idleMs: number
  /** From the end of an answer until the client has read it. */
  readonly answerMs: number
  /** Between two requests. */
  readonly keepAliveMs: number
  readonly handshakeMs: number
  /** How often these limits are checked. */
  readonly checkEveryMs: number
}

/** All but the time between two requests, which is a setting: it depends on the load balancers. */
export const TRANSPORT_LIMITS: Omit<TransportLimits, 'keepAliveMs'> = {
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 30_000,
  answerMs: 60_000,
  handshakeMs: 10_000,
  checkEveryMs: 1_000,
}
