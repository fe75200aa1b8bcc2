import type { Server } from 'node:http'
import { fastifyApolloHandler } from '@as-integrations/fastify'
import Fastify, { type FastifyRequest } from 'fastify'
import type { GraphQLSchema } from 'graphql'
import type { Principal } from '../auth/principal.js'
import type { AlertContext } from '../resolvers/alertResolver.js'
import { createApollo, type GatewayContext, type OperationReport } from './apollo.js'
import { followConnections } from './connections.js'
import type { ReportUnexpected } from './formatError.js'
import { type OperationsOptions, serveOperations } from './operations.js'
import { servePlayground } from './playground.js'
import { PreparedOperations } from './preparedOperations.js'
import { answerBadAddress, answerErrors, type ObserveRefusal, requestId } from './requests.js'
import { runPrepared } from './runPrepared.js'
import { serveServerSentEvents } from './serverSentEvents.js'
import { type Auth, type ObserveSocket, serveSubscriptions } from './webSocket.js'

const GRAPHQL_PATH = '/graphql'
const EVENT_STREAM_PATH = '/graphql/stream'
const REQUEST_TIMEOUT_MS = 30_000
// Longer than bodies take that nobody holds back.
const QUICK_BODY_MS = 100

export interface HttpServerOptions {
  readonly host: string
  readonly port: number
  readonly bodyLimitBytes: number
  /** How long load balancers are given to see that this replica goes away, before it closes. */
  readonly drainMs: number
  readonly schema: GraphQLSchema
  readonly auth: Auth
  readonly contextOf: (principal: Principal, options: { isStream: boolean }) => AlertContext
  readonly operations: OperationsOptions
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly refused: ObserveRefusal
  readonly observeSocket: ObserveSocket
}

export interface HttpServer {
  /** http://host:port as it really is. */
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
  const { auth, contextOf, operations, report, schema } = options
  let isDraining = false
  const server = Fastify({
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    genReqId: requestId,
    forceCloseConnections: 'idle',
    // What still comes on an open connection is answered: the store is closed after this server.
    return503OnClosing: false,
    frameworkErrors: answerBadAddress(options.refused),
  })
  const connections = followConnections(server.server as Server)
  answerErrors(server, report, options.refused)
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff')
    if (isDraining) reply.header('connection', 'close')
  })
  await serveOperations(server, {
    ...operations,
    notReady: async () => (isDraining ? ['shutting down'] : operations.notReady()),
  })
  await servePlayground(server)

  const prepared = new PreparedOperations(schema)
  const apollo = createApollo({ schema, prepared, report, observe: options.observe })
  await apollo.start()
  server.decorateRequest('principal', undefined)
  server.route({
    method: ['GET', 'POST'],
    url: GRAPHQL_PATH,
    // Before the body is read: an anonymous caller costs nothing and learns nothing.
    onRequest: async request => {
      request.principal = await auth.authenticate(request.headers.authorization)
    },
    // A body that is held back must not outlive the credential that it was let in with.
    preHandler: (request, _reply, done) => {
      if (performance.now() - (request.receivedAt ?? 0) < QUICK_BODY_MS) return done()
      auth.authenticate(request.headers.authorization).then(principal => {
        request.principal = principal
        done()
      }, done)
    },
    handler: runPrepared(
      { prepared, report, observe: options.observe, contextOf },
      fastifyApolloHandler(apollo, {
        context: async (request: FastifyRequest): Promise<GatewayContext> => {
          if (!request.principal) throw new Error('The route let an anonymous request through.')
          return { ...contextOf(request.principal, { isStream: false }), requestId: request.id }
        },
      }),
    ),
  })
  const subscriptions = {
    schema,
    auth,
    contextOf: (principal: Principal) => contextOf(principal, { isStream: true }),
    report,
    observe: options.observeSocket,
  }
  const cutEventStreams = serveServerSentEvents(server, { ...subscriptions, path: EVENT_STREAM_PATH })
  const close = async () => {
    const callOff = connections.end()
    await server.close().finally(callOff)
    await apollo.stop()
  }
  try {
    const url = await server.listen({ host: options.host, port: options.port })
    // Only now: it would report a failure to listen as an internal error of its own.
    const closeSockets = serveSubscriptions({ ...subscriptions, http: server.server as Server, path: GRAPHQL_PATH })
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
