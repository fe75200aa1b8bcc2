import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Auth } from '../access.js'
import type { AddressLimit } from '../limits/addressLimit.js'
import { type OperationGate, UNREAD_POINTS } from './operationGate.js'

export interface OperationRouteOptions {
  readonly auth: Pick<Auth, 'authenticate'>
  readonly addresses: AddressLimit
  readonly gate: Pick<OperationGate, 'charge'>
}

// A body arrives within this time unless its client holds it back.
const QUICK_BODY_MS = 100

/** What every route of operations does before its handler, and for a request that fails before it. */
export function operationRoute({ auth, addresses, gate }: OperationRouteOptions) {
  return {
    // Before the body is read: an anonymous caller costs nothing and learns nothing.
    onRequest: async (request: FastifyRequest): Promise<void> => {
      request.principal = await addresses.identify(auth, request)
    },
    errorHandler: chargeUnread(gate),
  }
}

/**
 * Charges a point for a request that failed before its handler, which charges all others, such as one whose body cannot be read:
 * a caller past its limit must learn that, whatever it sends.
 */
function chargeUnread(gate: OperationRouteOptions['gate']) {
  return async (error: Error, { principal }: FastifyRequest, reply: FastifyReply): Promise<never> => {
    if (principal) await gate.charge({ principal, setHeaders: headers => reply.headers(headers) }, UNREAD_POINTS)
    throw error
  }
}

/** A body that is held back must not outlive its credential, which was checked before the body came. */
export function authenticateSlowBody(auth: Pick<Auth, 'authenticate'>) {
  return (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction): void => {
    if (performance.now() - (request.receivedAt ?? 0) < QUICK_BODY_MS) {
      done()
      return
    }
    auth.authenticate(request.headers.authorization).then(principal => {
      request.principal = principal
      done()
    }, done)
  }
}
