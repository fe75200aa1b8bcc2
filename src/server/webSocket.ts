import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import {
  type ExecutionArgs,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  subscribe,
} from 'graphql'
import { CloseCode, type Context, makeServer, type Server as Protocol } from 'graphql-ws'
import { WebSocketServer } from 'ws'
import type { Principal } from '../auth/principal.js'
import { AppError } from '../errors.js'
import type { AlertContext } from '../resolvers/alertResolver.js'
import { publicError, type ReportUnexpected } from './formatError.js'
import { outcomeCode, rootField } from './outcome.js'
import { type ObserveRefusedConnection, SocketConnection } from './socketConnection.js'
import { failure, prepareSubscription, type SubscribeRequest } from './subscriptionDocument.js'

const PROTOCOL = 'graphql-transport-ws'
// A subscription's text and variables; far below what a hostile frame would need.
const MAX_FRAME_BYTES = 64 * 1024
const GOING_AWAY = 1001
const CLOSE_GRACE_MS = 500

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

export interface WebSocketOptions {
  readonly http: Server
  readonly path: string
  readonly schema: GraphQLSchema
  readonly authenticate: (authorization: string | undefined) => Promise<Principal>
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
    handleProtocols: protocols => protocols.has(PROTOCOL) && PROTOCOL,
  })
  const protocol = createProtocol(options)
  const failed = (error: unknown) => report(randomUUID(), error)
  sockets.on('error', failed)
  sockets.on('connection', (socket, request) => {
    const refused: ObserveRefusedConnection = (connection, code) => observe({ ...endOf(connection, connection.openedAt), code })
    new SocketConnection(socket, request, refused).speak(protocol, failed)
  })

  return async () => {
    for (const socket of sockets.clients) socket.close(GOING_AWAY, 'The server is going away; connect again and resume.')
    const terminate = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate()
    }, CLOSE_GRACE_MS)
    await new Promise<void>(resolve => sockets.close(() => resolve()))
    clearTimeout(terminate)
  }
}

function createProtocol({ schema, authenticate, contextOf, report, observe }: WebSocketOptions): Protocol<SocketConnection> {
  // By the message that asked for it: a client may use an id again before the subscription that had it has ended.
  const running = new WeakMap<object, Running>()

  function shown(payload: object, errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    const formatted = errors.map(error => publicError(error.toJSON(), error, report))
    const subscription = running.get(payload)
    if (subscription) subscription.code ??= outcomeCode(formatted)
    return formatted
  }

  function ended(connection: SocketConnection, payload: object): void {
    const subscription = running.get(payload)
    if (!subscription) return
    running.delete(payload)
    connection.streams.delete(payload)
    const { operation, startedAt, code = connection.refusedWith ?? 'OK' } = subscription
    observe({ ...endOf(connection, startedAt), operation, code })
  }

  function prepare(payload: SubscribeRequest, principal: Principal) {
    try {
      const prepared = prepareSubscription(schema, payload)
      if ('errors' in prepared) return prepared
      const { operation, document } = prepared
      const { operationName, variables: variableValues } = payload
      return { operation, args: { schema, document, operationName, variableValues, contextValue: contextOf(principal) } }
    } catch (error) {
      return { errors: [asGraphQLError(error)] }
    }
  }

  return makeServer<Record<string, unknown>, SocketConnection>({
    async onConnect({ connectionParams, extra: connection }: SocketContext) {
      const { authorization, Authorization } = connectionParams ?? {}
      const given = authorization ?? Authorization ?? connection.authorization
      try {
        connection.admit(await authenticate(typeof given === 'string' ? given : undefined))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        // Not `return false`, which closes with 4403: clients retry on that for ever, with the same token.
        connection.close(CloseCode.Unauthorized, error.message)
      }
      return true
    },
    onSubscribe({ extra: { principal } }: SocketContext, _id, payload) {
      if (!principal) return [failure('The connection is not authenticated.', 'UNAUTHENTICATED')]
      const startedAt = performance.now()
      const prepared = prepare(payload, principal)
      running.set(payload, { operation: rootField(prepared.operation), startedAt, isRefused: 'errors' in prepared })
      return 'errors' in prepared ? prepared.errors : prepared.args
    },
    subscribe: subscribeWithoutThrowing,
    onOperation({ extra: connection }: SocketContext, _id, payload, _args, result) {
      if (isStream(result)) connection.streams.set(payload, result)
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
    async onClose({ extra: { streams } }: SocketContext) {
      await Promise.all([...streams.values()].map(stream => stream.return(undefined)))
    },
    onComplete: ({ extra: connection }: SocketContext, _id, payload) => ended(connection, payload),
  })
}

/** What is thrown here would close the whole socket, and with it the client's other subscriptions. */
async function subscribeWithoutThrowing(args: ExecutionArgs): ReturnType<typeof subscribe> {
  try {
    return await subscribe(args)
  } catch (error) {
    return { errors: [asGraphQLError(error)] }
  }
}

function isStream(result: object): result is AsyncGenerator<unknown, unknown, unknown> {
  return Symbol.asyncIterator in result && 'return' in result
}

function asGraphQLError(error: unknown): GraphQLError {
  return new GraphQLError('', { originalError: error instanceof Error ? error : new Error(typeof error) })
}

function endOf({ id, principal }: SocketConnection, startedAt: number) {
  return { connectionId: id, seconds: (performance.now() - startedAt) / 1_000, principal }
}
