import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { clientAddress } from '../../src/server/limits/clientAddress.js'
import { createTransport } from '../../src/server/transport/transport.js'
import { ask, askViewer, startTransport, type TransportServer } from './support/transportServer.js'

const DESK = 'https://desk.example'
const EVIL = 'https://evil.example'

let server: TransportServer
beforeAll(async () => {
  server = await startTransport({ corsOrigins: [DESK, 'http://localhost:3000'] })
})
afterAll(() => server[Symbol.asyncDispose]())

const preflight = (origin: string, path = '/graphql') =>
  ask(server, path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  })

const corsHeaders = ({ headers }: { headers: IncomingMessage['headers'] }) =>
  Object.keys(headers).filter(name => name.startsWith('access-control-'))

describe('a page of an allowed origin', () => {
  it.each(['/graphql', '/graphql/stream'])(
    'may send a preflight for %s without a credential, and cache the answer',
    async path => {
      const { status, headers, text } = await preflight(DESK, path)
      expect({ status, text }).toEqual({ status: 204, text: '' })
      expect(headers).toMatchObject({
        'access-control-allow-origin': DESK,
        'access-control-allow-methods': 'GET, POST',
        'access-control-max-age': '7200',
        vary: 'Origin',
      })
      expect(headers['access-control-allow-headers']).toBe(
        'content-type, authorization, idempotency-key, if-none-match, x-request-id, traceparent, tracestate, apollo-require-preflight',
      )
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
    },
  )

  it('can read answers, refusals, and their headers about limits', async () => {
    const answers = [await askViewer(server, { origin: DESK }), await askViewer(server, { origin: DESK, authorization: 'none' })]
    expect(answers.map(({ status }) => status)).toEqual([200, 401])
    for (const { headers } of answers) {
      expect(headers['access-control-allow-origin']).toBe(DESK)
      expect(headers.vary).toBe('Origin')
      expect(headers['access-control-expose-headers']).toBe(
        'x-request-id, etag, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset',
      )
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
    }
  })

  it.each(['/healthz', '/metrics', '/playground', '/', '/nowhere'])('can read only the API: not %s', async path => {
    expect(corsHeaders(await ask(server, path, { headers: { origin: DESK } }))).toEqual([])
    const answer = await preflight(DESK, path)
    expect({ status: answer.status, cors: corsHeaders(answer) }).toEqual({ status: path === '/nowhere' ? 404 : 405, cors: [] })
  })
})

describe('a page of any other origin', () => {
  it.each([
    EVIL,
    'null',
    'http://desk.example',
    `${DESK}:8443`,
    `${DESK}.evil.example`,
    `${DESK}/`,
    'https://DESK.example',
    '*',
    'https://sub.desk.example',
    `${DESK},${EVIL}`,
  ])('can read nothing: %s', async origin => {
    for (const answer of [await askViewer(server, { origin }), await preflight(origin)]) expect(corsHeaders(answer)).toEqual([])
    expect((await preflight(origin)).status).toBe(405)
  })

  it('can read nothing if no origin is allowed', async () => {
    await using closed = await startTransport()
    expect(corsHeaders(await askViewer(closed, { origin: DESK }))).toEqual([])
    expect((await ask(closed, '/graphql', { method: 'OPTIONS', headers: { origin: DESK } })).status).toBe(405)
  })
})

/** The status of the answer to an upgrade: 101 for a WebSocket. */
async function upgrade(to: TransportServer, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${to.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers, ca: to.ca })
  socket.on('error', () => {})
  const status = await Promise.race([
    once(socket, 'open').then(() => 101),
    once(socket, 'unexpected-response').then(([, response]) => (response as IncomingMessage).statusCode ?? 0),
  ])
  socket.terminate()
  return status
}

describe('a WebSocket', () => {
  it('can be opened by a client that is not a page, by a page of this host, and from an allowed origin', async () => {
    const host = `127.0.0.1:${server.port}`
    for (const headers of [{}, { origin: `http://${host}` }, { origin: DESK }]) expect(await upgrade(server, headers)).toBe(101)
    expect(await upgrade(server, { host: 'risk.example:443', origin: 'https://risk.example' })).toBe(101)
  })

  it.each([EVIL, 'null', 'file://', `${DESK}.evil.example`, 'https://127.0.0.1', ''])(
    'is refused in the handshake for a page of another origin: %j',
    async origin => {
      const before = server.refused.length
      expect(await upgrade(server, { origin })).toBe(403)
      expect(server.refused.slice(before)).toEqual(['FORBIDDEN'])
    },
  )

  it('believes only a trusted proxy about the requested host', async () => {
    const headers = { host: 'inner', origin: 'https://risk.example', 'x-forwarded-host': `evil.example, risk.example` }
    await using proxied = await startTransport({ trustedProxies: ['127.0.0.0/8'] })
    expect(await upgrade(proxied, headers)).toBe(101)
    expect(await upgrade(proxied, { ...headers, origin: 'https://evil.example' })).toBe(403)
    expect(await upgrade(server, headers)).toBe(403)
  })

  it('believes only the header that the settings name', async () => {
    const headers = {
      host: 'inner',
      origin: 'https://risk.example',
      forwarded: 'host=evil.example, for=192.0.2.1;HOST="risk.example"',
    }
    await using proxied = await startTransport({ trustedProxies: ['127.0.0.0/8'], forwardedHeader: 'forwarded' })
    expect(await upgrade(proxied, headers)).toBe(101)
    expect(await upgrade(proxied, { ...headers, origin: 'https://evil.example' })).toBe(403)
    const { forwarded: _, ...without } = headers
    expect(await upgrade(proxied, { ...without, 'x-forwarded-host': 'risk.example' })).toBe(403)
    await using other = await startTransport({ trustedProxies: ['127.0.0.0/8'] })
    expect(await upgrade(other, headers)).toBe(403)
  })
})

/** The address of a client over a real connection, as the limits see it, and what a handler sees of the connection. */
async function seenBy(trustedProxies: readonly string[], headers: Record<string, string>) {
  const addressOf = clientAddress({ trustedProxies, header: 'x-forwarded-for', unnamed: () => {} })
  const { serverOptions } = createTransport({
    trustedProxies,
    forwardedHeader: 'x-forwarded-for',
    corsOrigins: [],
    keepAliveMs: 72_000,
    refused: () => {},
    malformed: () => {},
  })
  const app = Fastify(serverOptions)
  app.get('/', ({ raw, protocol, host }) => ({ address: addressOf(raw), protocol, host }))
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const { text } = await ask({ url: `http://127.0.0.1:${port}`, ca: undefined } as TransportServer, '/', { headers })
  await app.close()
  return JSON.parse(text) as { address: string; protocol: string; host: string }
}

describe('the source of a request', () => {
  const FORWARDED = {
    host: 'inner',
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'risk.example',
  }
  const CONNECTION = { protocol: 'http', host: 'inner' }

  it('is its connection, whatever its headers say, if its peer is not a trusted proxy', async () => {
    expect(await seenBy([], FORWARDED)).toEqual({ address: '127.0.0.1', ...CONNECTION })
    expect(await seenBy(['10.0.0.0/8', '::1'], FORWARDED)).toEqual({ address: '127.0.0.1', ...CONNECTION })
  })

  it('is the client that a trusted proxy names', async () => {
    expect(await seenBy(['127.0.0.1'], FORWARDED)).toEqual({ address: '203.0.113.9', ...CONNECTION })
  })
})
