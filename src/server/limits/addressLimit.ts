import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Authenticator } from '../../auth/authenticator.js'
import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import { networkOf } from './clientAddress.js'
import type { ObserveLimited } from './operationLimits.js'
import type { PointLimiter } from './pointLimiter.js'
import { RateLimitedError } from './quota.js'

/**
 * Counts the calls of an address that are anonymous or whose authentication fails. A caller with a valid credential always
 * passes, because it may share its address with an attacker.
 */
export class AddressLimit {
  readonly #limiter: PointLimiter | undefined
  readonly #limited: ObserveLimited
  /** The address that a request came from. */
  readonly addressOf: (request: IncomingMessage) => string

  /** Without a limiter there is no limit. Without `addressOf`, the address is that of the peer. */
  constructor(limiter: PointLimiter | undefined, limited: ObserveLimited, addressOf = peerOf) {
    this.#limiter = limiter
    this.#limited = limited
    this.addressOf = addressOf
  }

  /** Finds out who calls. @throws AppError UNAUTHENTICATED, or RateLimitedError once the address is past its limit */
  async identify(
    auth: Pick<Authenticator, 'authenticate'>,
    { headers, raw }: FastifyRequest,
    authorization = headers.authorization,
  ): Promise<Principal> {
    try {
      return await auth.authenticate(authorization)
    } catch (error) {
      throw (await this.failed(this.addressOf(raw), error)) ?? error
    }
  }

  /**
   * Counts a call that failed with UNAUTHENTICATED. Once the address is past its limit, returns the refusal to answer instead.
   */
  async failed(address: string, error: unknown): Promise<RateLimitedError | undefined> {
    if (!(error instanceof AppError) || error.code !== 'UNAUTHENTICATED') return undefined
    const taken = await this.#limiter?.take(networkOf(address), 1)
    if (!taken?.isRefused) return undefined
    this.#limited('address')
    const sentence = `Too many calls from this address without a valid credential: try again in ${taken.resetSeconds} s.`
    return new RateLimitedError(sentence, taken)
  }
}

function peerOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? ''
}
