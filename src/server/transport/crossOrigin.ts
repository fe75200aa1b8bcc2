import type { IncomingMessage } from 'node:http'
import cors from '@fastify/cors'
import proxyAddress from '@fastify/proxy-addr'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const PREFLIGHT_SECONDS = 7_200
const PREFLIGHT = {
  methods: ['GET', 'POST'],
  allowedHeaders: ['content-type', 'authorization', 'x-request-id', 'apollo-require-preflight'],
  maxAge: PREFLIGHT_SECONDS,
  credentials: false,
  strictPreflight: false,
}
const EXPOSED = 'x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset'

/** Pages of these origins may call the addresses below `path`; for all others it is as if there were no CORS. */
export async function allowOrigins(server: FastifyInstance, path: string, allowed: readonly string[]): Promise<void> {
  if (allowed.length === 0) return
  const origins = new Set(allowed)
  const allowedOrigin = ({ headers: { origin = '' }, url }: FastifyRequest) =>
    origins.has(origin) && url.startsWith(path) ? origin : undefined
  // Not by the plugin, which goes through all its options for every request, of pages or not: 2 us.
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
  readonly trustedProxies: readonly string[]
}

/**
 * Whether a WebSocket may be opened, to which CORS does not apply: by a client that is no page and so names no origin, by a page of
 * this host, or by one of an allowed origin. A trusted proxy says which host that is when it has changed the header.
 */
export function originCheck({ corsOrigins, trustedProxies }: OriginRules): (request: IncomingMessage) => boolean {
  const origins = new Set(corsOrigins)
  const trusts = trustedProxies.length === 0 ? () => false : proxyAddress.compile([...trustedProxies])
  return ({ headers, socket }) => {
    const { origin, host } = headers
    if (origin === undefined || origins.has(origin)) return true
    const forwarded = trusts(socket.remoteAddress ?? '', 0) ? headers['x-forwarded-host'] : undefined
    return isOfHost(origin, lastOf(forwarded) ?? host)
  }
}

function isOfHost(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false
  const { protocol, host: its } = new URL(origin)
  // Through the parser: a port that the scheme implies may stand in one and not in the other.
  return URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === its
}

/** Each proxy adds what it was asked for behind what it was told: the last is of the one that is trusted. */
function lastOf(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value).split(',').at(-1)?.trim()
}
