import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import cors from '@fastify/cors'
import proxyAddress from '@fastify/proxy-addr'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { elementsFromEnd, type ForwardedHeader, parameterOf } from '../forwarded.js'

const PREFLIGHT_SECONDS = 7_200
const PREFLIGHT = {
  methods: ['GET', 'POST'],
  allowedHeaders: [
    'content-type',
    'authorization',
    'idempotency-key',
    'if-none-match',
    'x-request-id',
    // What OpenTelemetry adds to the requests of a page.
    'traceparent',
    'tracestate',
    'apollo-require-preflight',
  ],
  maxAge: PREFLIGHT_SECONDS,
  credentials: false,
  strictPreflight: false,
}
const EXPOSED = 'x-request-id, etag, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset'

/** Lets pages of these origins call the addresses below `paths`. Everything else is answered as if there were no CORS. */
export async function allowOrigins(server: FastifyInstance, paths: readonly string[], allowed: readonly string[]): Promise<void> {
  if (allowed.length === 0) return
  const origins = new Set(allowed)
  const allowedOrigin = ({ headers: { origin = '' }, url }: FastifyRequest) =>
    origins.has(origin) && paths.some(path => url.startsWith(path)) ? origin : undefined
  // The plugin is not used here: it evaluates all its options for every request, even one from no page, which takes 2 us.
  server.addHook('onRequest', (request, reply, done) => {
    const origin = allowedOrigin(request)
    if (origin !== undefined)
      reply.headers({ 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED, vary: 'Origin' })
    done()
  })
  await server.register(async preflights => {
    await preflights.register(cors, {
      delegator: (request, answer) => answer(null, { ...PREFLIGHT, origin: allowedOrigin(request) ?? false }),
    })
  })
}

export interface OriginRules {
  readonly corsOrigins: readonly string[]
  /** Proxies that may say which host was asked. */
  readonly trustedProxies: readonly string[]
  /** Where they say it: in X-Forwarded-Host or in Forwarded. */
  readonly forwardedHeader: ForwardedHeader
}

/**
 * Decides who may open a WebSocket, because CORS does not apply there: a client that names no origin, and so is no page; a page
 * of this host; a page of an allowed origin. Where a trusted proxy has changed the Host header, the host that it names counts.
 */
export function originCheck({
  corsOrigins,
  trustedProxies,
  forwardedHeader,
}: OriginRules): (request: IncomingMessage) => boolean {
  const origins = new Set(corsOrigins)
  const trusts = trustedProxies.length === 0 ? () => false : proxyAddress.compile([...trustedProxies])
  return ({ headers, socket }) => {
    const { origin, host } = headers
    if (origin === undefined || origins.has(origin)) return true
    const asked = trusts(socket.remoteAddress ?? '', 0) ? askedHost(headers, forwardedHeader) : undefined
    return isOfHost(origin, asked ?? host)
  }
}

function isOfHost(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false
  const { protocol, host: its } = new URL(origin)
  // Compared through the parser, because one of the two may name the scheme's default port and the other may not.
  return URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === its
}

/** Each proxy appends the host that it was asked for, so the last one is from the trusted proxy. */
function askedHost(headers: IncomingHttpHeaders, header: ForwardedHeader): string | undefined {
  if (header === 'x-forwarded-for') return lastOf(headers['x-forwarded-host'])
  const [last] = elementsFromEnd(headers.forwarded ?? '')
  return parameterOf(last ?? '', 'host')
}

function lastOf(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value).split(',').at(-1)?.trim()
}
