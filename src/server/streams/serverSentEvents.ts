import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { GraphQLError } from 'graphql'
import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import { errorBody, publicErrors, statusOf } from '../formatError.js'
import { RateLimitedError, refusalHeaders } from '../limits/quota.js'
import { isJsonObject } from '../operations/jsonObject.js'
import { outcomeCode, rootField } from '../operations/responseStatus.js'
import { chargeUnread } from '../requests.js'
import { Delivery } from './delivery.js'
import { EventStream } from './eventStream.js'
import { SLOW_SUBSCRIBER, type StreamOptions } from './streamOptions.js'
import { failure, type SubscribeRequest } from './subscriptionDocument.js'
import { asGraphQLError, Subscriptions } from './subscriptions.js'
import { WriteRounds } from './writeRounds.js'

// As of a message over WebSocket.
const MAX_BODY_BYTES = 64 * 1024
const TAKES_EVENT_STREAM = /text\/event-stream|text\/\*|\*\/\*/i

/**
 * Subscriptions for clients that cannot use WebSocket, one a request: graphql-sse's protocol of distinct connections. Answers how to
 * cut them all, so that clients connect again elsewhere.
 */
export function serveServerSentEvents(server: FastifyInstance, options: StreamOptions): () => void {
  const { path, auth, addresses, streams, report, observe } = options
  const subscriptions = new Subscriptions(options)
  const rounds = new WriteRounds()
  const open = new Set<EventStream>()
  let isClosed = false

  async function serve(asked: SubscribeRequest, stream: EventStream, connectionId: string, principal: Principal): Promise<void> {
    const startedAt = performance.now()
    let code: string | undefined
    const prepared = subscriptions.prepare(asked, principal, payload => {
      if (payload.code !== 'OK') code ??= payload.code
      return stream.push(payload.text)
    })
    const fail = (errors: readonly GraphQLError[]) => {
      const shown = publicErrors(errors, report)
      code ??= outcomeCode(shown)
      stream.complete(shown)
    }
    const callOff = auth.watch(principal, why => fail([failure(why, 'UNAUTHENTICATED')]))
    try {
      const opened = 'errors' in prepared ? prepared : await subscriptions.open(prepared.args)
      if (opened instanceof Delivery) {
        stream.closed.then(() => opened.return()).catch(error => report(randomUUID(), error))
        await opened.next()
        stream.complete()
      } else fail(opened.errors ?? [])
    } catch (error) {
      fail([asGraphQLError(error)])
    }
    callOff()
    if (stream.isStalled) code ??= SLOW_SUBSCRIBER
    const seconds = (performance.now() - startedAt) / 1_000
    observe({ connectionId, operation: rootField(prepared.operation), code: code ?? 'OK', seconds, principal })
  }

  server.route({
    method: ['GET', 'POST'],
    url: path,
    bodyLimit: MAX_BODY_BYTES,
    // Its answer would have no end.
    exposeHeadRoute: false,
    // Before the body is read: an anonymous caller costs nothing and learns nothing.
    onRequest: async request => {
      request.principal = await addresses.identify(auth, request)
    },
    errorHandler: chargeUnread(options.gate),
    handler: async (request, reply) => {
      const { principal, id } = request
      const startedAt = performance.now()
      if (!principal) throw new Error('The route let an anonymous request through.')
      if (isClosed) throw new AppError('SERVICE_UNAVAILABLE', 'The server is going away; connect again and resume.')
      const asked = subscribeRequestOf(request)
      let endStream: () => void
      try {
        await subscriptions.charge({ principal, setHeaders: headers => reply.headers(headers) })
        endStream = streams.open(principal, JSON.stringify(request.body ?? request.query).length)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        // While it can still be said by the status.
        const seconds = (performance.now() - startedAt) / 1_000
        observe({ connectionId: id, operation: 'none', code: error.code, seconds, principal })
        if (error instanceof RateLimitedError) reply.headers(refusalHeaders(error))
        return reply.code(statusOf(error.code)).send(errorBody(error))
      }
      reply.hijack()
      // The client may have gone meanwhile.
      if (reply.raw.closed) return endStream()
      const stream = new EventStream({ response: reply.raw, headers: reply.getHeaders(), rounds })
      open.add(stream)
      stream.closed.then(() => {
        open.delete(stream)
        endStream()
      })
      void serve(asked, stream, id, principal)
    },
  })

  return () => {
    isClosed = true
    for (const stream of open) stream.cut()
  }
}

/** @throws AppError BAD_REQUEST for what is no GraphQL request; mistakes in its document are told in the stream */
function subscribeRequestOf({ method, headers, query: search, body }: FastifyRequest): SubscribeRequest {
  if (!TAKES_EVENT_STREAM.test(headers.accept ?? '*/*')) throw badRequest('Send the request as Accept: text/event-stream.')
  const given = (method === 'GET' ? search : body) as Readonly<Record<string, unknown>> | null | undefined
  const { query: text, operationName, documentId } = given ?? {}
  const [variables, extensions] = [given?.variables, given?.extensions].map(value => (method === 'GET' ? parsed(value) : value))
  // A registered document may be named instead.
  const query = text ?? (documentId != null || extensions != null ? '' : undefined)
  if (typeof query !== 'string') throw badRequest('The request has no document: send it as `query`.')
  if (operationName != null && typeof operationName !== 'string') throw badRequest('operationName must be a string.')
  if (variables != null && !isJsonObject(variables)) throw badRequest('variables must be an object; in an address, its JSON.')
  return { query, operationName, variables, documentId, extensions }
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string' || text === '') return text || undefined
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function badRequest(message: string): AppError {
  return new AppError('BAD_REQUEST', message)
}
