import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { GraphQLError } from 'graphql'
import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import { errorBody, publicErrors, retryHeaders, statusOf } from '../formatError.js'
import { RateLimitedError, refusalHeaders } from '../limits/quota.js'
import { isJsonObject } from '../operations/jsonObject.js'
import { operationRoute } from '../operations/operationRoute.js'
import { responseCode, rootField } from '../operations/responseStatus.js'
import { requireDecodable } from '../operations/utf8.js'
import { SERVER_GOES_AWAY } from '../transport/upgrades.js'
import { Delivery } from './delivery.js'
import { EventStream } from './eventStream.js'
import { type OpenStreams, SLOW_SUBSCRIBER, type StreamOptions, type StreamReport } from './streamOptions.js'
import { failure, type SubscribeRequest } from './subscriptionDocument.js'
import { asGraphQLError, Subscriptions } from './subscriptions.js'
import { WriteRounds } from './writeRounds.js'

// The same bound as for a message over WebSocket.
const MAX_BODY_BYTES = 64 * 1024
const TAKES_EVENT_STREAM = /text\/event-stream|text\/\*|\*\/\*/i

/**
 * Serves subscriptions to clients that cannot use WebSocket, one for each request: graphql-sse's mode of distinct connections.
 * Closing cuts all streams.
 */
export function serveServerSentEvents(server: FastifyInstance, path: string, options: StreamOptions): OpenStreams {
  const eventStreams = new EventStreams(options)
  server.route({
    method: ['GET', 'POST'],
    url: path,
    bodyLimit: MAX_BODY_BYTES,
    // The answer to a HEAD request would never end.
    exposeHeadRoute: false,
    ...operationRoute(options),
    handler: (request, reply) => eventStreams.answer(request, reply),
  })
  return eventStreams
}

interface Subscriber {
  readonly connectionId: string
  readonly principal: Principal
  /** On the clock of `performance`. */
  readonly startedAt: number
}

/** The event streams that are open. */
class EventStreams implements OpenStreams {
  readonly #options: StreamOptions
  readonly #subscriptions: Subscriptions
  readonly #rounds = new WriteRounds()
  readonly #open = new Set<EventStream>()
  #isClosed = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#subscriptions = new Subscriptions(options)
  }

  get open(): number {
    return this.#open.size
  }

  close(): void {
    this.#isClosed = true
    for (const stream of this.#open) stream.cut()
  }

  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { principal, id: connectionId } = request
    if (!principal) throw new Error('The route let an anonymous request through.')
    if (this.#isClosed) throw new AppError('SERVICE_UNAVAILABLE', SERVER_GOES_AWAY)
    const asked = subscribeRequestOf(request)
    const subscriber = { connectionId, principal, startedAt: performance.now() }
    let endStream: () => void
    try {
      endStream = await this.#enter(principal, request, reply)
    } catch (error) {
      return this.#refuse(error, subscriber, reply)
    }
    reply.hijack()
    // The client may have gone meanwhile.
    if (reply.raw.closed) {
      endStream()
      return
    }
    const stream = new EventStream({ response: reply.raw, headers: reply.getHeaders(), rounds: this.#rounds })
    this.#open.add(stream)
    stream.closed.then(() => {
      this.#open.delete(stream)
      endStream()
    })
    void this.#serve(asked, stream, subscriber)
  }

  /** Charges a point and counts the stream. Returns a function that ends the count. @throws RateLimitedError */
  async #enter(principal: Principal, { body, query }: FastifyRequest, reply: FastifyReply): Promise<() => void> {
    await this.#subscriptions.charge({ principal, setHeaders: headers => reply.headers(headers) })
    return this.#options.streams.open(principal, JSON.stringify(body ?? query).length)
  }

  /** Answers with the error, while the response can still have its status. */
  #refuse(error: unknown, subscriber: Subscriber, reply: FastifyReply): FastifyReply {
    if (!(error instanceof AppError)) throw error
    this.#observe({ ...subscriber, operation: 'none', code: error.code })
    if (error instanceof RateLimitedError) reply.headers(refusalHeaders(error))
    const body = errorBody(error)
    return reply.code(statusOf(error.code)).headers(retryHeaders(body.errors[0])).send(body)
  }

  async #serve(asked: SubscribeRequest, stream: EventStream, subscriber: Subscriber): Promise<void> {
    const { auth, report } = this.#options
    const { principal } = subscriber
    let code: string | undefined
    const prepared = this.#subscriptions.prepare(asked, principal, payload => {
      if (payload.code !== 'OK') code ??= payload.code
      return stream.push(payload.text)
    })
    const fail = (errors: readonly GraphQLError[]) => {
      const shown = publicErrors(errors, report)
      code ??= responseCode(shown)
      stream.complete(shown)
    }
    const callOff = auth.watch(principal, why => fail([failure(why, 'UNAUTHENTICATED')]))
    try {
      const opened = 'errors' in prepared ? prepared : await this.#subscriptions.open(prepared.args)
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
    this.#observe({ ...subscriber, operation: rootField(prepared.operation), code: code ?? 'OK' })
  }

  #observe({ startedAt, ...report }: Subscriber & Pick<StreamReport, 'operation' | 'code'>): void {
    this.#options.observe({ ...report, seconds: (performance.now() - startedAt) / 1_000 })
  }
}

/** @throws AppError BAD_REQUEST where it is no GraphQL request. Mistakes in its document are errors in the stream. */
function subscribeRequestOf({ method, url, headers, query: search, body }: FastifyRequest): SubscribeRequest {
  if (method === 'GET') requireDecodable(url)
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
