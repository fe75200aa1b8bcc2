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

describe('the headers of security', () => {
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

  it('stand on every answer that is no page', async () => {
    const admin = await bearer('ADMIN')
    const stream = `/graphql/stream?query=${encodeURIComponent('subscription { nothing }')}`
    const answers: [string, number, Promise<Answer>][] = [
      ['an answer', 200, askViewer(server)],
      ['an answer of Apollo', 200, askViewer(server, { accept: 'application/graphql-response+json' })],
      ['a refusal', 401, ask(server, '/graphql')],
      ['a body that is none', 400, ask(server, '/graphql', { method: 'POST', headers: { ...JSON_TYPE, ...admin }, body: '{' })],
      [
        'a body that is too large',
        413,
        ask(server, '/graphql', { method: 'POST', headers: { ...JSON_TYPE, ...admin }, body: 'x'.repeat(70_000) }),
      ],
      ['nothing', 404, ask(server, '/nowhere')],
      ['an address that cannot be decoded', 400, ask(server, '/%zz')],
      ['health', 200, ask(server, '/healthz')],
      ['readiness', 200, ask(server, '/readyz')],
      ['metrics', 200, ask(server, '/metrics', { headers: admin })],
      ['metrics refused', 401, ask(server, '/metrics')],
      ['a stream of events', 200, ask(server, stream, { headers: { ...admin, accept: 'text/event-stream' } })],
      ['a stream refused', 401, ask(server, stream)],
    ]
    for (const [what, expected, answer] of answers) {
      const { status, headers } = await answer
      expect({ what, status, ...headers }).toMatchObject({ what, status: expected, ...API })
      for (const name of ['strict-transport-security', 'server', 'x-powered-by']) expect(headers).not.toHaveProperty(name)
    }
  })

  it('stand on pages with a policy of their own', async () => {
    const { headers } = await ask(server, '/playground', { headers: await basic('ADMIN') })
    expect(headers).toMatchObject({
      ...API,
      'content-security-policy': expect.stringMatching(/^default-src 'self';script-src 'self'(?!.*unsafe-eval)/),
      'cache-control': 'no-cache',
    })
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it('say over TLS that nothing else will do, pages too', async () => {
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
    ['SCORER', false],
    ['ANALYST', false],
    ['MODEL_MANAGER', false],
  ])('are for whoever has telemetry:read: %s %s', async (role, may) => {
    const answer = await ask(server, '/metrics', { headers: await bearer(role) })
    if (may) expect(answer.status).toBe(200)
    else expectRefused(answer, 'FORBIDDEN')
  })

  it('are not for who is nobody, nor for a password', async () => {
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
  ])('is for whoever has schema:introspect: %s %s', async (role, may) => {
    for (const headers of [await basic(role), await bearer(role)]) {
      const answers = [await ask(server, '/playground', { headers }), await ask(server, '/', { headers })]
      if (may) expect(answers.map(({ status }) => status)).toEqual([200, 302])
      else for (const answer of answers) expectRefused(answer, 'FORBIDDEN')
    }
  })

  it.each(['', 'Basic', 'Basic !!!', 'Basic Og==', `Basic ${Buffer.from('a:b').toString('base64')}`, 'Digest x'])(
    'makes a browser ask for who is nobody: %j',
    async authorization => {
      for (const path of ['/playground', '/']) {
        const answer = await ask(server, path, { headers: { authorization } })
        expectRefused(answer, 'UNAUTHENTICATED')
        expect(answer.headers['www-authenticate']).toBe('Basic realm="riskgate playground", charset="UTF-8"')
      }
    },
  )

  it('tells a person who closes the question of the browser what it wants', async () => {
    const { text } = await ask(server, '/playground')
    expect(JSON.parse(text).errors[0].message).toContain('as the password')
  })

  it('leaves its assets open: they are published code', async () => {
    const { text } = await ask(server, '/playground', { headers: await basic('ADMIN') })
    const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec(text) ?? []
    const { status, headers } = await ask(server, script ?? '')
    expect({ status, cache: headers['cache-control'] }).toEqual({ status: 200, cache: 'public, max-age=31536000, immutable' })
  })

  it('is kept by no cache where it is refused, nor is an asset that is not there (yet)', async () => {
    for (const path of ['/assets/none.js', '/assets/', '/playground', '/']) {
      const { status, headers } = await ask(server, path)
      expect({ path, status, cache: headers['cache-control'] }).toEqual({
        path,
        status: path.startsWith('/assets') ? 404 : 401,
        cache: 'no-store',
      })
    }
  })

  it('opens nothing else with its password, which a browser sends by itself to whatever other sites make it ask', async () => {
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
      // Asked for a password here, a browser would keep it for here.
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    expect((await once(socket, 'close'))[0]).toBe(4401)
  })
})
