import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { FormattedExecutionResult, GraphQLError, GraphQLFormattedError, GraphQLSchema } from 'graphql'
import { type Context, makeServer, type Server as Protocol } from 'graphql-ws'
import { WebSocketServer } from 'ws'
import type { Authenticator } from '../auth/authenticator.js'
import type { Principal } from '../auth/principal.js'
import { AppError } from '../errors.js'
import type { AlertContext } from '../resolvers/alertResolver.js'
import { Delivery } from './delivery.js'
import { publicErrors, type ReportUnexpected } from './formatError.js'
import { outcomeCode, rootField } from './outcome.js'
import { type ObserveRefusedConnection, SocketConnection } from './socketConnection.js'
import { failure } from './subscriptionDocument.js'
import { type SubscriptionArgs, Subscriptions } from './subscriptions.js'
import { WriteRounds } from './writeRounds.js'

const PROTOCOL = 'graphql-transport-ws'
// A subscription's text and variables; far below what a hostile frame would need.
const MAX_FRAME_BYTES = 64 * 1024
const GOING_AWAY = 1001
const CLOSE_GRACE_MS = 500
// A console has a handful; each has a mailbox of its own.
const MAX_SUBSCRIPTIONS = 32
const TOO_MANY = `A socket carries at most ${MAX_SUBSCRIPTIONS} subscriptions: complete one, or open another socket.`

/** The end of a subscription, or of a connection that was closed for a mistake of its client. */
export interface SocketReport {
  readonly connectionId: string
  /** Root field of the subscription, `none` when its document was not valid. Undefined for a connection. */
  readonly operation?: string
  /** `OK`, or the code of the first error; for a subscription without one, why its connection was closed. */
  readonly code: string
  /** Since the subscription was asked for, or since the connection was open. */
  readonly seconds: number
  /** Undefined before the client has said who it is. */
  readonly principal: Principal | undefined
}

export type ObserveSocket = (report: SocketReport) => void

/** Who calls, and how long that holds. */
export type Auth = Pick<Authenticator, 'authenticate' | 'watch'>

export interface WebSocketOptions {
  readonly http: Server
  readonly path: string
  readonly schema: GraphQLSchema
  readonly auth: Auth
  readonly contextOf: (principal: Principal) => AlertContext
  readonly report: ReportUnexpected
  readonly observe: ObserveSocket
}

type SocketContext = Context<Record<string, unknown>, SocketConnection>

interface Running {
  readonly operation: string
  readonly startedAt: number
  /** Refused before it began. */
  readonly isRefused: boolean
  code?: string
}

/** Subscriptions over WebSocket. Queries and mutations go over HTTP, where their limits are. */
export function serveSubscriptions(options: WebSocketOptions): () => Promise<void> {
  const { http, path, report, observe } = options
  const sockets = new WebSocketServer({
    server: http,
    path,
    maxPayload: MAX_FRAME_BYTES,
    // Frames are written past ws, which would have to write the compressed ones.
    perMessageDeflate: false,
    handleProtocols: protocols => protocols.has(PROTOCOL) && PROTOCOL,
  })
  const protocol = createProtocol(options)
  const rounds = new WriteRounds()
  const connections = new Set<SocketConnection>()
  const failed = (error: unknown) => report(randomUUID(), error)
  const refused: ObserveRefusedConnection = (connection, code) => observe({ ...endOf(connection, connection.openedAt), code })
  sockets.on('error', failed)
  sockets.on('connection', (socket, request) => {
    const connection = new SocketConnection(socket, request, { rounds, refused, failed })
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
    connection.speak(protocol)
  })

  return async () => {
    for (const connection of connections) connection.leave(GOING_AWAY, 'The server is going away; connect again and resume.')
    const terminate = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate()
    }, CLOSE_GRACE_MS)
    await new Promise<void>(resolve => sockets.close(() => resolve()))
    clearTimeout(terminate)
  }
}

function createProtocol(options: WebSocketOptions): Protocol<SocketConnection> {
  const { auth, report, observe } = options
  const subscriptions = new Subscriptions(options)
  // By the message that asked for it: a client may use an id again before the subscription that had it has ended.
  const running = new WeakMap<object, Running>()

  function shown(payload: object, errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    const formatted = publicErrors(errors, report)
    const subscription = running.get(payload)
    if (subscription) subscription.code ??= outcomeCode(formatted)
    return formatted
  }

  function ended(connection: SocketConnection, payload: object): void {
    const subscription = running.get(payload)
    if (!subscription) return
    running.delete(payload)
    connection.deliveries.delete(payload)
    if (!subscription.isRefused) connection.subscriptions--
    const { operation, startedAt, code = connection.refusedWith ?? 'OK' } = subscription
    observe({ ...endOf(connection, startedAt), operation, code })
  }

  return makeServer<Record<string, unknown>, SocketConnection>({
    async onConnect({ connectionParams, extra: connection }: SocketContext) {
      const { authorization, Authorization } = connectionParams ?? {}
      const given = authorization ?? Authorization ?? connection.authorization
      try {
        connection.admit(await auth.authenticate(typeof given === 'string' ? given : undefined), auth)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        connection.refuse(error)
      }
      return true
    },
    onSubscribe({ extra: connection }: SocketContext, id, payload) {
      const { principal } = connection
      if (!principal) return [failure('The connection is not authenticated.', 'UNAUTHENTICATED')]
      const startedAt = performance.now()
      const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
      const prepared = subscriptions.prepare(payload, principal, ({ text, code }) => {
        const subscription = running.get(payload)
        if (subscription && code !== 'OK') subscription.code ??= code
        return connection.push(`${head}${text}}`)
      })
      const isTooMany = connection.subscriptions >= MAX_SUBSCRIPTIONS
      const errors = 'errors' in prepared ? prepared.errors : isTooMany ? [failure(TOO_MANY, 'BAD_REQUEST')] : undefined
      running.set(payload, { operation: rootField(prepared.operation), startedAt, isRefused: errors !== undefined })
      if (errors) return errors
      connection.subscriptions++
      return 'args' in prepared ? prepared.args : undefined
    },
    subscribe: args => subscriptions.open(args as SubscriptionArgs),
    onOperation({ extra: connection }: SocketContext, _id, payload, _args, result) {
      if (result instanceof Delivery) connection.deliveries.set(payload, result)
    },
    onNext: (_context, _id, payload, _args, result) =>
      result.errors ? ({ ...result, errors: shown(payload, result.errors) } as FormattedExecutionResult) : undefined,
    onError({ extra: connection }: SocketContext, _id, payload, errors) {
      const formatted = shown(payload, errors)
      // Of what never began, no other call tells the end.
      if (running.get(payload)?.isRefused) ended(connection, payload)
      return formatted
    },
    // graphql-ws forgets a stream whose id was given up and used again before it had begun: that one would never end.
    async onClose({ extra: { deliveries } }: SocketContext) {
      await Promise.all([...deliveries.values()].map(delivery => delivery.return()))
    },
    onComplete: ({ extra: connection }: SocketContext, _id, payload) => ended(connection, payload),
  })
}

function endOf({ id, principal }: SocketConnection, startedAt: number) {
  return { connectionId: id, seconds: (performance.now() - startedAt) / 1_000, principal }
}
