import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'
import { CloseCode, type Context, makeServer, type Server as Protocol } from 'graphql-ws'
import { WebSocketServer } from 'ws'
import type { Principal } from '../../auth/principal.js'
import { unauthenticated } from '../../auth/unauthenticated.js'
import { AppError } from '../../errors.js'
import { publicErrors } from '../formatError.js'
import { networkOf } from '../limits/clientAddress.js'
import { PendingSockets } from '../limits/pendingSockets.js'
import { outcomeCode, rootField } from '../operations/responseStatus.js'
import { openWebSockets, type UpgradeRules } from '../transport/upgrades.js'
import { Delivery } from './delivery.js'
import { type ObserveRefusedConnection, SocketConnection } from './socketConnection.js'
import type { StreamOptions } from './streamOptions.js'
import { failure } from './subscriptionDocument.js'
import { asGraphQLError, type SubscriptionArgs, Subscriptions } from './subscriptions.js'
import { WriteRounds } from './writeRounds.js'

const PROTOCOL = 'graphql-transport-ws'
// A subscription's text and variables; far below what a hostile frame would need.
const MAX_FRAME_BYTES = 64 * 1024
const GOING_AWAY = 1001
const CLOSE_GRACE_MS = 500
// A console has a handful; each has a mailbox of its own.
const MAX_SUBSCRIPTIONS = 32
const TOO_MANY = `A socket carries at most ${MAX_SUBSCRIPTIONS} subscriptions: complete one, or open another socket.`

export interface WebSocketOptions extends StreamOptions {
  readonly http: Server
  readonly upgrades: UpgradeRules
  readonly addressOf: (request: IncomingMessage) => string
}

type SocketContext = Context<Record<string, unknown>, SocketConnection>

interface Running {
  readonly operation: string
  readonly startedAt: number
  /** Refused before it began. */
  readonly isRefused: boolean
  /** Ends its count among those of its principal. */
  readonly endStream?: (() => void) | undefined
  code?: string
}

type Opened = { readonly endStream: () => void } | { readonly errors: readonly GraphQLError[] }

/** Subscriptions over WebSocket. Queries and mutations go over HTTP, where their limits are. */
export function serveSubscriptions(options: WebSocketOptions): () => Promise<void> {
  const { http, path, addresses, addressOf, report, observe } = options
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    // Frames are written past ws, which would have to write the compressed ones.
    perMessageDeflate: false,
    // One message a turn of the event loop: small ones come in megabytes, and all of them at once held everybody up for seconds.
    allowSynchronousEvents: false,
    handleProtocols: protocols => protocols.has(PROTOCOL) && PROTOCOL,
  })
  const protocol = createProtocol(options)
  const rounds = new WriteRounds()
  const connections = new Set<SocketConnection>()
  const pending = new PendingSockets()
  const failed = (error: unknown) => report(randomUUID(), error)
  const refused: ObserveRefusedConnection = (connection, code) => observe({ ...endOf(connection, connection.openedAt), code })
  sockets.on('error', failed)
  const closeDoor = openWebSockets(http, path, sockets, options.upgrades)
  sockets.on('connection', (socket, request) => {
    const address = addressOf(request)
    const signedIn = pending.add(networkOf(address), () => socket.terminate())
    const connection = new SocketConnection(socket, request, { rounds, address, signedIn, refused, failed })
    connections.add(connection)
    socket.once('close', () => {
      connections.delete(connection)
      signedIn()
      if (!connection.principal && !connection.isCounted) void addresses.failed(address, unauthenticated('It said nothing.'))
    })
    connection.speak(protocol)
  })

  return async () => {
    closeDoor()
    for (const connection of connections) connection.leave(GOING_AWAY, 'The server is going away; connect again and resume.')
    const terminate = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate()
    }, CLOSE_GRACE_MS)
    await new Promise<void>(resolve => sockets.close(() => resolve()))
    clearTimeout(terminate)
  }
}

function createProtocol(options: WebSocketOptions): Protocol<SocketConnection> {
  const { auth, addresses, streams, report, observe } = options
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
    subscription.endStream?.()
    const { operation, startedAt, code = connection.refusedWith ?? 'OK' } = subscription
    observe({ ...endOf(connection, startedAt), operation, code })
  }

  function openStream(connection: SocketConnection, principal: Principal, characters: number): Opened {
    if (connection.subscriptions >= MAX_SUBSCRIPTIONS) return { errors: [failure(TOO_MANY, 'BAD_REQUEST')] }
    try {
      return { endStream: connection.count(streams.open(principal, characters)) }
    } catch (error) {
      return { errors: [asGraphQLError(error)] }
    }
  }

  return makeServer<Record<string, unknown>, SocketConnection>({
    async onConnect(context: SocketContext) {
      const { connectionParams, extra: connection } = context
      const { authorization, Authorization } = connectionParams ?? {}
      // 64 KiB of a client's choice, which would be kept as long as its socket.
      Object.assign(context, { connectionParams: undefined })
      const given = authorization ?? Authorization ?? connection.authorization
      try {
        connection.signIn(await auth.authenticate(typeof given === 'string' ? given : undefined), auth)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        connection.isCounted = true
        const refusal = await addresses.failed(connection.address, error)
        // Clients of graphql-ws take both for final, as for a bad credential they must.
        if (refusal) connection.close(CloseCode.TooManyInitialisationRequests, refusal.message, refusal.code)
        else connection.refuse(error)
      }
      return true
    },
    async onSubscribe({ extra: connection }: SocketContext, id, payload) {
      const { principal, receivedCharacters: characters } = connection
      if (!principal) return [failure('The connection is not authenticated.', 'UNAUTHENTICATED')]
      const startedAt = performance.now()
      const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
      const refusal = await refusalOf(() => subscriptions.charge({ principal }))
      if (refusal) {
        running.set(payload, { operation: 'none', startedAt, isRefused: true })
        return [asGraphQLError(refusal)]
      }
      const prepared = subscriptions.prepare(payload, principal, ({ text, code }) => {
        const subscription = running.get(payload)
        if (subscription && code !== 'OK') subscription.code ??= code
        return connection.push(`${head}${text}}`)
      })
      const opened = 'errors' in prepared ? prepared : openStream(connection, principal, characters)
      const endStream = 'endStream' in opened ? opened.endStream : undefined
      running.set(payload, { operation: rootField(prepared.operation), startedAt, isRefused: 'errors' in opened, endStream })
      if ('errors' in opened) return opened.errors
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

async function refusalOf(enter: () => void | Promise<void>): Promise<unknown> {
  try {
    await enter()
    return undefined
  } catch (error) {
    return error
  }
}

function endOf({ id, principal }: SocketConnection, startedAt: number) {
  return { connectionId: id, seconds: (performance.now() - startedAt) / 1_000, principal }
}
