import type { Server } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import type { GraphQLSchema } from 'graphql'
import type { Principal } from '../auth/principal.js'
import type { ContextOf } from '../resolvers/context.js'
import type { ModelContract } from '../scoring/contract.js'
import type { Tracer } from '../tracer.js'
import { type Identify, onlyCallersWith, onlyPageVisitorsWith, type ServerAuth } from './access.js'
import type { ReportUnexpected } from './formatError.js'
import { serveGraphql } from './graphql/graphqlRoute.js'
import { type HealthOptions, serveHealth } from './health.js'
import { readJsonBodies } from './jsonBodies.js'
import type { AddressLimit } from './limits/addressLimit.js'
import type { ChargePoints } from './limits/quota.js'
import type { StreamLimit } from './limits/streamLimit.js'
import { type ReceiveDelivery, serveMlflowWebhook } from './mlflowWebhook.js'
import { OperationGate } from './operations/operationGate.js'
import type { ObserveLookups, OperationReport } from './operations/operationReport.js'
import type { TrustedDocuments } from './operations/trustedDocuments.js'
import { servePages } from './pages.js'
import { answerBadAddress, answerErrors, requestId } from './requests.js'
import { serveOpenApi } from './rest/openApi.js'
import { serveRest } from './rest/restDoor.js'
import { serveServerSentEvents } from './streams/serverSentEvents.js'
import type { ObserveStream, StreamOptions } from './streams/streamOptions.js'
import { serveSubscriptions } from './streams/webSocket.js'
import { createTransport, type Transport, type TransportOptions } from './transport/transport.js'
import { answerUnknownAddresses } from './unknownAddresses.js'

const GRAPHQL_PATH = '/graphql'
const EVENT_STREAM_PATH = '/graphql/stream'
const REST_PATH = '/api/'

export interface HttpServerOptions extends TransportOptions {
  readonly host: string
  readonly port: number
  readonly bodyLimitBytes: number
  /** How long load balancers have to notice that this replica goes away, before it closes. */
  readonly drainMs: number
  readonly schema: GraphQLSchema
  /** The contracts of all models that serve. */
  readonly contracts: readonly ModelContract[]
  readonly auth: ServerAuth
  readonly addresses: AddressLimit
  readonly streams: StreamLimit
  readonly contextOf: ContextOf
  readonly chargePoints: ChargePoints
  /** When true, anybody may open metrics and playground, and everybody who is signed in may read the schema. */
  readonly development: boolean
  /** Absent: any document within the limits may run. */
  readonly trustedDocuments?: TrustedDocuments | undefined
  readonly health: HealthOptions
  /** Absent: there is no such address. */
  readonly mlflowWebhook?: ReceiveDelivery | undefined
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly lookedUp: ObserveLookups
  readonly observeStream: ObserveStream
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

export interface HttpServer {
  /** The real address: http://host:port, or https:// with TLS. */
  readonly url: string
  /** How many of each are open. */
  open(): { readonly connections: number; readonly webSockets: number; readonly eventStreams: number }
  /** Lets running requests finish, asks subscribers to reconnect elsewhere, and closes. */
  stop(): Promise<void>
}

/** Starts listening: GraphQL over HTTP, WebSocket and server-sent events, REST, pages, health and metrics. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const transport = createTransport(options)
  let isDraining = false
  const server = createServer(options, transport, () => isDraining)
  const connections = await transport.attach(server, [GRAPHQL_PATH, REST_PATH], GRAPHQL_PATH)
  answerUnknownAddresses(server, options.refused)
  await serveHealthAndPages(server, options, transport, () => isDraining)
  const gate = new OperationGate(options)
  const stopGraphql = await serveGraphql(server, { ...options, gate, path: GRAPHQL_PATH })
  await serveRest(server, { ...options, gate })
  if (options.mlflowWebhook) await serveMlflowWebhook(server, options.mlflowWebhook, options.addresses)
  const streams = streamOptions(options, gate)
  const eventStreams = serveServerSentEvents(server, EVENT_STREAM_PATH, streams)
  const close = async () => {
    const callOff = connections.end()
    await server.close().finally(callOff)
    await stopGraphql()
  }
  try {
    // For `localhost` Fastify opens two servers, and `server.server` is only one of them.
    const host = options.host === 'localhost' ? '127.0.0.1' : options.host
    const url = await server.listen({ host, port: options.port })
    // Only after listening: the socket server would report a failure to listen as an internal error of its own.
    const webSockets = serveSubscriptions({
      ...streams,
      http: server.server as Server,
      path: GRAPHQL_PATH,
      upgrades: transport.upgrades,
      addressOf: options.addresses.addressOf,
    })
    return {
      url,
      open: () => ({ connections: connections.open, webSockets: webSockets.open, eventStreams: eventStreams.open }),
      async stop() {
        isDraining = true
        await new Promise(resolve => setTimeout(resolve, options.drainMs))
        eventStreams.close()
        await webSockets.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Creates the server with everything that applies to each request: limits, id, errors. While it is draining, it asks clients to
 * connect elsewhere.
 */
function createServer(options: HttpServerOptions, transport: Transport, isDraining: () => boolean): FastifyInstance {
  const server = Fastify({
    bodyLimit: options.bodyLimitBytes,
    ...transport.serverOptions,
    genReqId: requestId,
    forceCloseConnections: 'idle',
    // A request that still comes on an open connection is answered: the database closes after this server.
    return503OnClosing: false,
    frameworkErrors: answerBadAddress(options.refused, transport.headers),
  })
  readJsonBodies(server)
  answerErrors(server, options.report, options.refused, isDraining)
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (isDraining()) reply.header('connection', 'close')
    done()
  })
  return server
}

/** Serves health, metrics, pages and the description of the REST API. A server that is draining is not ready. */
async function serveHealthAndPages(
  server: FastifyInstance,
  { auth, addresses, contracts, health, development }: HttpServerOptions,
  transport: Transport,
  isDraining: () => boolean,
): Promise<void> {
  const identify: Identify = (request, authorization) => addresses.identify(auth, request, authorization)
  const identifyInOutage: Identify = request =>
    addresses.identify({ authenticate: authorization => auth.authenticateInOutage(authorization) }, request)
  await serveHealth(server, {
    ...health,
    notReady: async () => (isDraining() ? ['shutting down'] : health.notReady()),
    mayReadMetrics: development ? undefined : onlyCallersWith(identifyInOutage, 'telemetry:read'),
  })
  const mayOpen = development ? undefined : onlyPageVisitorsWith(identify, 'schema:introspect')
  await servePages(server, { mayOpen, apiHeaders: transport.headers })
  serveOpenApi(server, contracts, mayOpen)
}

/** The options that WebSocket and server-sent events share. */
function streamOptions(options: HttpServerOptions, gate: OperationGate): StreamOptions {
  const { schema, trustedDocuments, auth, addresses, streams, report, observeStream, contextOf } = options
  return {
    schema,
    gate,
    trustedDocuments,
    auth,
    addresses,
    streams,
    contextOf: (principal: Principal) => contextOf(principal, { isStream: true }),
    report,
    observe: observeStream,
  }
}
