import type { Server } from 'node:http'
import { fastifyApolloHandler } from '@as-integrations/fastify'
import Fastify, { type FastifyRequest } from 'fastify'
import type { GraphQLSchema } from 'graphql'
import type { Principal } from '../auth/principal.js'
import type { RequestContext } from '../resolvers/context.js'
import { type Identify, requirePermission, requirePermissionOfPage } from './access.js'
import type { ReportUnexpected } from './formatError.js'
import { createApollo, type GatewayContext, type OperationReport } from './graphql/apollo.js'
import { PreparedOperations } from './graphql/preparedOperations.js'
import { runPrepared } from './graphql/runPrepared.js'
import { askedSeldom, type HealthOptions, serveHealth } from './health.js'
import type { AddressLimit } from './limits/addressLimit.js'
import { clientAddress } from './limits/clientAddress.js'
import type { ChargePoints } from './limits/quota.js'
import type { StreamLimit } from './limits/streamLimit.js'
import { OperationGate } from './operations/operationGate.js'
import type { TrustedDocuments } from './operations/trustedDocuments.js'
import { servePlayground } from './playground.js'
import { answerBadAddress, answerErrors, chargeUnread, requestId } from './requests.js'
import { serveServerSentEvents } from './streams/serverSentEvents.js'
import type { Auth, ObserveStream } from './streams/streamOptions.js'
import { serveSubscriptions } from './streams/webSocket.js'
import { createTransport, type TransportOptions } from './transport/transport.js'

const GRAPHQL_PATH = '/graphql'
const EVENT_STREAM_PATH = '/graphql/stream'
// Longer than bodies take that nobody holds back.
const QUICK_BODY_MS = 100

export interface HttpServerOptions extends TransportOptions {
  readonly host: string
  readonly port: number
  readonly bodyLimitBytes: number
  /** How long load balancers are given to see that this replica goes away, before it closes. */
  readonly drainMs: number
  readonly schema: GraphQLSchema
  readonly auth: Auth
  /** Whose word of a caller's address is believed. */
  readonly trustedProxies: readonly string[]
  readonly addresses: AddressLimit
  readonly streams: StreamLimit
  readonly contextOf: (principal: Principal, options: { isStream: boolean }) => RequestContext
  readonly chargePoints: ChargePoints
  /** Metrics and playground are open to everyone, the schema to everyone who is signed in. */
  readonly development: boolean
  /** Absent: any document within the limits. */
  readonly trustedDocuments?: TrustedDocuments | undefined
  readonly health: HealthOptions
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly observeStream: ObserveStream
}

export interface HttpServer {
  /** http://host:port as it really is, https:// with TLS. */
  readonly url: string
  /** Lets work in hand finish, says goodbye to subscribers, closes. */
  stop(): Promise<void>
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | undefined
  }
}

/** Starts listening: GraphQL over HTTP, WebSocket and server-sent events, playground, health and metrics. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { auth, addresses, streams, contextOf, health, report, schema, trustedDocuments } = options
  let isDraining = false
  const transport = createTransport(options)
  const server = Fastify({
    bodyLimit: options.bodyLimitBytes,
    ...transport.serverOptions,
    genReqId: requestId,
    forceCloseConnections: 'idle',
    // What still comes on an open connection is answered: the store is closed after this server.
    return503OnClosing: false,
    frameworkErrors: answerBadAddress(options.refused, transport.headers),
  })
  answerErrors(server, report, options.refused)
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (isDraining) reply.header('connection', 'close')
    done()
  })
  const connections = await transport.attach(server, GRAPHQL_PATH)
  const identify: Identify = (request, authorization) => addresses.identify(auth, request, authorization)
  const notReady = askedSeldom(health.notReady)
  await serveHealth(server, {
    ...health,
    notReady: async () => (isDraining ? ['shutting down'] : notReady()),
    mayReadMetrics: options.development ? undefined : requirePermission(identify, 'telemetry:read'),
  })
  await servePlayground(server, {
    mayOpen: options.development ? undefined : requirePermissionOfPage(identify, 'schema:introspect'),
    apiHeaders: transport.headers,
  })

  const prepared = new PreparedOperations(schema)
  const gate = new OperationGate(options)
  const apollo = createApollo({ schema, gate, prepared, report, observe: options.observe })
  await apollo.start()
  server.decorateRequest('principal', undefined)
  server.decorateRequest('operationContext', undefined)
  server.route({
    method: ['GET', 'POST'],
    url: GRAPHQL_PATH,
    // Before the body is read: an anonymous caller costs nothing and learns nothing.
    onRequest: async request => {
      request.principal = await addresses.identify(auth, request)
    },
    errorHandler: chargeUnread(gate),
    // A body that is held back must not outlive the credential that it was let in with.
    preHandler: (request, _reply, done) => {
      if (performance.now() - (request.receivedAt ?? 0) < QUICK_BODY_MS) return done()
      auth.authenticate(request.headers.authorization).then(principal => {
        request.principal = principal
        done()
      }, done)
    },
    handler: runPrepared(
      { prepared, gate, trustedDocuments, report, observe: options.observe, contextOf },
      fastifyApolloHandler(apollo, {
        context: async ({ operationContext }: FastifyRequest) => operationContext as GatewayContext,
      }),
    ),
  })
  const subscriptions = {
    schema,
    gate,
    trustedDocuments,
    auth,
    addresses,
    streams,
    contextOf: (principal: Principal) => contextOf(principal, { isStream: true }),
    report,
    observe: options.observeStream,
  }
  const cutEventStreams = serveServerSentEvents(server, { ...subscriptions, path: EVENT_STREAM_PATH })
  const close = async () => {
    const callOff = connections.end()
    await server.close().finally(callOff)
    await apollo.stop()
  }
  try {
    // For `localhost` Fastify opens two servers, and what is set up here reaches one of them.
    const host = options.host === 'localhost' ? '127.0.0.1' : options.host
    const url = await server.listen({ host, port: options.port })
    // Only now: it would report a failure to listen as an internal error of its own.
    const closeSockets = serveSubscriptions({
      ...subscriptions,
      http: server.server as Server,
      path: GRAPHQL_PATH,
      upgrades: transport.upgrades,
      addressOf: clientAddress(options.trustedProxies),
    })
    return {
      url,
      async stop() {
        isDraining = true
        await new Promise(resolve => setTimeout(resolve, options.drainMs))
        cutEventStreams()
        await closeSockets()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
