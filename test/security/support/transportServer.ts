import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { Registry } from 'prom-client'
import { Authenticator } from '../../../src/auth/authenticator.js'
import type { Principal, Role } from '../../../src/auth/principal.js'
import { Tokens } from '../../../src/auth/tokens.js'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import type { RequestContext } from '../../../src/resolvers/context.js'
import { startHttpServer } from '../../../src/server/httpServer.js'
import { AddressLimit } from '../../../src/server/limits/addressLimit.js'
import { StreamLimit } from '../../../src/server/limits/streamLimit.js'
import type { ReceiveDelivery } from '../../../src/server/mlflowWebhook.js'
import { LiveCertificate } from '../../../src/server/transport/liveCertificate.js'
import type { Malformed } from '../../../src/server/transport/malformedRequests.js'
import type { TransportLimits } from '../../../src/server/transport/transportLimits.js'
import { type MountedSecret, makePair, mountSecret } from '../../support/certificates.js'
import { signToken, TEST_SECRET } from '../../support/gateway.js'

/** Far more than the buffers of sockets hold. */
const HUGE = 'x'.repeat(64 * 1024 * 1024)

const schema = new GraphQLSchema({
  query: new GraphQLObjectType<unknown, { principal: Principal }>({
    name: 'Query',
    fields: {
      viewer: { type: GraphQLString, resolve: (_source, _arguments, { principal }) => principal.id },
      huge: { type: GraphQLString, resolve: () => HUGE },
    },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: { counts: { type: GraphQLInt, subscribe: counting } },
  }),
})

/** Yields two events, and then waits until it is cancelled. */
function counting(): AsyncIterableIterator<unknown> {
  let count = 0
  let end = () => {}
  const ended = new Promise<IteratorResult<unknown>>(resolve => {
    end = () => resolve({ done: true, value: undefined })
  })
  const source = {
    next: async () => (count < 2 ? { done: false, value: { counts: ++count } } : ended),
    async return() {
      end()
      return ended
    },
    [Symbol.asyncIterator]: () => source,
  } as AsyncIterableIterator<unknown>
  return source
}

export interface TransportSettings {
  readonly limits?: Partial<TransportLimits>
  readonly isTls?: boolean
  readonly keyType?: 'ec' | 'rsa'
  readonly corsOrigins?: readonly string[]
  readonly trustedProxies?: readonly string[]
  readonly forwardedHeader?: 'forwarded'
  readonly development?: boolean
  readonly addresses?: AddressLimit
  readonly mlflowWebhook?: ReceiveDelivery
}

export interface TransportServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** The files of the TLS certificate. */
  readonly secret: MountedSecret | undefined
  readonly ca: string | undefined
  readonly malformed: Malformed[]
  readonly refused: string[]
  /** Unexpected errors. */
  readonly reports: unknown[]
  /** The reports of the certificate's renewal. */
  readonly renewals: string[]
  stop(): Promise<void>
}

/** Starts the real server with a test schema and no database. */
export async function startTransport(settings: TransportSettings = {}): Promise<TransportServer> {
  const tokens = new Tokens({ secret: Buffer.from(TEST_SECRET), issuer: 'riskgate', audience: 'riskgate' })
  const pair = settings.isTls ? await makePair({ keyType: settings.keyType ?? 'ec' }) : undefined
  const secret = pair && (await mountSecret(pair))
  const [malformed, refused, reports, renewals]: [Malformed[], string[], unknown[], string[]] = [[], [], [], []]
  const certificate =
    secret &&
    new LiveCertificate({
      certFile: secret.certFile,
      keyFile: secret.keyFile,
      loaded: () => renewals.push('loaded'),
      refused: problem => renewals.push(problem),
      expiresSoon: () => renewals.push('expires soon'),
      checkEveryMs: 20,
    })
  const http = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    bodyLimitBytes: 64 * 1024,
    drainMs: 0,
    keepAliveMs: 72_000,
    development: settings.development ?? false,
    trustedProxies: settings.trustedProxies ?? [],
    forwardedHeader: settings.forwardedHeader ?? 'x-forwarded-for',
    corsOrigins: settings.corsOrigins ?? [],
    certificate,
    ...(settings.limits && { limits: { checkEveryMs: 20, ...settings.limits } }),
    contracts: [],
    schema,
    auth: new Authenticator({ tokens, apiKeys: tokens, withdrawals: new Withdrawals() }),
    contextOf: principal => ({ principal }) as RequestContext,
    chargePoints: () => undefined,
    addresses: settings.addresses ?? new AddressLimit(undefined, () => {}),
    mlflowWebhook: settings.mlflowWebhook,
    streams: new StreamLimit(1_000, () => {}),
    health: { metrics: new Registry(), notReady: async () => [] },
    report: (_id, error) => reports.push(error),
    observe: () => {},
    lookedUp: { document: () => {}, prepared: () => {} },
    refused: ({ code }) => refused.push(code),
    malformed: why => malformed.push(why),
    observeStream: () => {},
  })
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= http.stop()
    return stopping
  }
  return {
    url: http.url,
    port: Number(new URL(http.url).port),
    secret,
    ca: pair?.cert,
    malformed,
    refused,
    reports,
    renewals,
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      certificate?.stop()
      await secret?.[Symbol.asyncDispose]()
    },
  }
}

export interface Connected {
  readonly socket: Socket
  /** Everything received, once the server has closed. */
  readonly closed: Promise<string>
  /** The time from the connection to the close. */
  readonly closedAfterMs: Promise<number>
}

/** Opens a raw connection, over TLS if the server has it, unless plain TCP is asked for. */
export async function connectTo(
  server: TransportServer,
  options: { isPlain?: boolean; tls?: ConnectionOptions } = {},
): Promise<Connected> {
  const isTls = server.ca !== undefined && !options.isPlain
  const socket: Socket = isTls
    ? connectTls({
        host: '127.0.0.1',
        port: server.port,
        ca: server.ca,
        allowHalfOpen: true,
        ...options.tls,
      } as ConnectionOptions)
    : connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true })
  const startedAt = performance.now()
  let received = ''
  socket.setEncoding('utf8').on('data', text => {
    received += text
  })
  const ended = new Promise<void>(resolve => {
    socket.once('end', resolve).once('close', () => resolve())
    // A cut connection may end with a reset.
    socket.on('error', () => resolve())
  })
  const closed = ended.then(() => {
    socket.destroy()
    return received
  })
  const closedAfterMs = ended.then(() => performance.now() - startedAt)
  await Promise.race([once(socket, isTls ? 'secureConnect' : 'connect'), ended])
  return { socket, closed, closedAfterMs }
}

/** Sends exactly this text; returns all that the server sends until it closes. */
export async function answerTo(server: TransportServer, text: string): Promise<string> {
  const { socket, closed } = await connectTo(server)
  socket.write(text)
  return closed
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** Sends one request with any headers, also those that only browsers send. */
export async function ask(
  server: TransportServer,
  path: string,
  options: RequestOptions & { body?: string } = {},
): Promise<Answer> {
  const { body, ...rest } = options
  const send = server.ca === undefined ? httpRequest : httpsRequest
  const call = send(`${server.url}${path}`, { agent: false, ca: server.ca, ...rest } as RequestOptions)
  call.end(body)
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}

export const bearer = async (...roles: Role[]) => ({ authorization: `Bearer ${await signToken({ roles })}` })

export const basic = async (...roles: Role[]) => ({
  authorization: `Basic ${Buffer.from(`anyone:${await signToken({ roles })}`).toString('base64')}`,
})

export const VIEWER = JSON.stringify({ query: '{ viewer }' })

export async function askViewer(server: TransportServer, headers: Record<string, string> = {}): Promise<Answer> {
  const all = { 'content-type': 'application/json', ...(await bearer('ANALYST')), ...headers }
  return ask(server, '/graphql', { method: 'POST', headers: all, body: VIEWER })
}
