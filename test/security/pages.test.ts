import { once } from 'node:events'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Role } from '../../src/auth/principal.js'
import {
  type Answer,
  ask,
  askViewer,
  basic,
  bearer,
  startTransport,
  type TransportServer,
  VIEWER,
} from './support/transportServer.js'

let server: TransportServer
beforeAll(async () => {
  server = await startTransport()
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(() => expect(server.reports).toEqual([]))

const JSON_TYPE = { 'content-type': 'application/json' }

function expectRefused({ status, text }: Answer, code: 'UNAUTHENTICATED' | 'FORBIDDEN'): void {
  expect(status).toBe(code === 'FORBIDDEN' ? 403 : 401)
  expect(JSON.parse(text)).toEqual({ errors: [{ message: expect.any(String), extensions: { code } }] })
}

describe('the security headers', () => {
  const API = {
    'content-security-policy': "default-src 'none';frame-ancestors 'none'",
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cache-control': 'no-store',
  }

  it('are those of helmet', async () => {
    const app = Fastify()
    const directives = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] }
    await app.register(helmet, {
      contentSecurityPolicy: { useDefaults: false, directives },
      frameguard: { action: 'deny' },
      strictTransportSecurity: { maxAge: 31_536_000, includeSubDomains: false },
    })
    app.get('/', () => '')
    const { headers } = await app.inject('/')
    await app.close()
    const { 'cache-control': _ours, ...helmets } = API
    expect(headers).toMatchObject({ ...helmets, 'strict-transport-security': 'max-age=31536000' })
  })

  it('are on every answer that is not a page', async () => {
    const admin = await bearer('ADMIN')
    const stream = `/graphql/stream?query=${encodeURIComponent('subscription { nothing }')}`
    const answers: [string, number, Promise<Answer>][] = [
      ['an answer', 200, askViewer(server)],
      ['an answer of Apollo', 200, askViewer(server, { accept: 'application/graphql-response+json' })],
      ['a refusal', 401, ask(server, '/graphql')],
      ['a malformed body', 400, ask(server, '/graphql', { method: 'POST', headers: { ...JSON_TYPE, ...admin }, body: '{' })],
      [
        'a body that is too large',
        413,
        ask(server, '/graphql', { method: 'POST', headers: { ...JSON_TYPE, ...admin }, body: 'x'.repeat(70_000) }),
      ],
      ['nothing', 404, ask(server, '/nowhere')],
      ['a URL that cannot be decoded', 400, ask(server, '/%zz')],
      ['health', 200, ask(server, '/healthz')],
      ['readiness', 200, ask(server, '/readyz')],
      ['metrics', 200, ask(server, '/metrics', { headers: admin })],
      ['metrics refused', 401, ask(server, '/metrics')],
      ['a stream of events', 200, ask(server, stream, { headers: { ...admin, accept: 'text/event-stream' } })],
      ['a refused stream', 401, ask(server, stream)],
    ]
    for (const [what, expected, answer] of answers) {
      const { status, headers } = await answer
      expect({ what, status, ...headers }).toMatchObject({ what, status: expected, ...API })
      for (const name of ['strict-transport-security', 'server', 'x-powered-by']) expect(headers).not.toHaveProperty(name)
    }
  })

  it('are on pages, with another content policy', async () => {
    const { headers } = await ask(server, '/playground', { headers: await basic('ADMIN') })
    expect(headers).toMatchObject({
      ...API,
      'content-security-policy': expect.stringMatching(/^default-src 'self';script-src 'self'(?!.*unsafe-eval)/),
      'cache-control': 'no-cache',
    })
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it('require HTTPS on answers over TLS, also on pages', async () => {
    await using secure = await startTransport({ isTls: true })
    for (const path of ['/healthz', '/nowhere', '/%zz', '/playground']) {
      const { headers } = await ask(secure, path, { headers: await basic('ADMIN') })
      expect({ path, hsts: headers['strict-transport-security'] }).toEqual({ path, hsts: 'max-age=31536000' })
    }
  })
})

describe('metrics', () => {
  it.each<[Role, boolean]>([
    ['MONITOR', true],
    ['ADMIN', true],
    ['TELEMETRY', true],
    ['SCORER', false],
    ['ANALYST', false],
    ['MODEL_MANAGER', false],
  ])('require telemetry:read: %s %s', async (role, may) => {
    const answer = await ask(server, '/metrics', { headers: await bearer(role) })
    if (may) expect(answer.status).toBe(200)
    else expectRefused(answer, 'FORBIDDEN')
  })

  it('are refused without a valid token, and with Basic authentication', async () => {
    for (const headers of [{}, { authorization: 'Bearer x.y.z' }, await basic('ADMIN')]) {
      const answer = await ask(server, '/metrics', { headers })
      expectRefused(answer, 'UNAUTHENTICATED')
      expect(answer.headers['www-authenticate']).toBe('Bearer')
      expect(await ask(server, '/metrics', { method: 'HEAD', headers })).toMatchObject({ status: 401 })
    }
  })

  it('and the playground are open in development', async () => {
    await using open = await startTransport({ development: true })
    for (const path of ['/metrics', '/playground']) expect((await ask(open, path)).status).toBe(200)
    expect((await ask(open, '/')).status).toBe(302)
    expectRefused(await ask(open, '/graphql'), 'UNAUTHENTICATED')
  })
})

describe('the playground', () => {
  it.each<[Role, boolean]>([
    ['ANALYST', true],
    ['MODEL_MANAGER', true],
    ['ADMIN', true],
    ['SCORER', false],
    ['MONITOR', false],
  ])('requires schema:introspect: %s %s', async (role, may) => {
    for (const headers of [await basic(role), await bearer(role)]) {
      const answers = [await ask(server, '/playground', { headers }), await ask(server, '/', { headers })]
      if (may) expect(answers.map(({ status }) => status)).toEqual([200, 302])
      else for (const answer of answers) expectRefused(answer, 'FORBIDDEN')
    }
  })

  it.each(['', 'Basic', 'Basic !!!', 'Basic Og==', `Basic ${Buffer.from('a:b').toString('base64')}`, 'Digest x'])(
    'makes a browser ask for a password without a valid one: %j',
    async authorization => {
      for (const path of ['/playground', '/']) {
        const answer = await ask(server, path, { headers: { authorization } })
        expectRefused(answer, 'UNAUTHENTICATED')
        expect(answer.headers['www-authenticate']).toBe('Basic realm="riskgate", charset="UTF-8"')
      }
    },
  )

  it("explains the password to a person who closes the browser's prompt", async () => {
    const { text } = await ask(server, '/playground')
    expect(JSON.parse(text).errors[0].message).toContain('as the password')
  })

  it('serves its assets to everyone, because they are published code', async () => {
    const { text } = await ask(server, '/playground', { headers: await basic('ADMIN') })
    const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec(text) ?? []
    const { status, headers } = await ask(server, script ?? '')
    expect({ status, cache: headers['cache-control'] }).toEqual({ status: 200, cache: 'public, max-age=31536000, immutable' })
  })

  it('is not cached when it is refused, nor is a missing asset, which may come later', async () => {
    for (const path of ['/assets/none.js', '/assets/', '/playground', '/']) {
      const { status, headers } = await ask(server, path)
      expect({ path, status, cache: headers['cache-control'] }).toEqual({
        path,
        status: path.startsWith('/assets') ? 404 : 401,
        cache: 'no-store',
      })
    }
  })

  it('has a password that opens nothing else, because browsers also send it with requests from other sites', async () => {
    const headers = await basic('ADMIN')
    const query = `?query=${encodeURIComponent('{ viewer }')}`
    for (const answer of [
      await ask(server, '/graphql', { method: 'POST', headers: { ...headers, ...JSON_TYPE }, body: VIEWER }),
      await ask(server, `/graphql${query}`, { headers: { ...headers, 'apollo-require-preflight': '1' } }),
      await ask(server, '/graphql', { method: 'POST', headers: { ...headers, 'content-type': 'text/plain' }, body: VIEWER }),
      await ask(server, `/graphql/stream${query}`, { headers: { ...headers, accept: 'text/event-stream' } }),
      await ask(server, '/metrics', { headers }),
    ]) {
      expectRefused(answer, 'UNAUTHENTICATED')
      // A Basic challenge here would make a browser store the password for this URL.
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    expect((await once(socket, 'close'))[0]).toBe(4401)
  })
})
