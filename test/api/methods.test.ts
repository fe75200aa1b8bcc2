import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'

let gateway: TestGateway
let authorization: string
beforeAll(async () => {
  gateway = await startGateway()
  authorization = `Bearer ${await signToken({ roles: ['ADMIN'] })}`
})
afterAll(() => gateway[Symbol.asyncDispose]())

describe('an address that exists', () => {
  it.each([
    ['/graphql', 'GET, HEAD, POST'],
    ['/graphql?query=x', 'GET, HEAD, POST'],
    ['/graphql/stream', 'GET, POST'],
    ['/healthz', 'GET, HEAD'],
    ['/readyz', 'GET, HEAD'],
    ['/metrics', 'GET, HEAD'],
  ])('answers other methods with 405 and those that it takes: %s', async (path, allow) => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', ...(allow.includes('POST') ? [] : ['POST'])]) {
      const response = await fetch(new URL(path, gateway.url), { method, headers: { authorization } })
      expect({ method, status: response.status, allow: response.headers.get('allow') }).toEqual({ method, status: 405, allow })
      expect(await response.json()).toEqual({
        errors: [{ message: `Use another method at this address: ${allow}.`, extensions: { code: 'BAD_REQUEST' } }],
      })
    }
  })

  it('answers so before it looks at the body', async () => {
    for (const [method, type] of [
      ['PUT', 'text/plain'],
      ['QUERY', 'application/sparql'],
      ['PATCH', 'multipart/form-data'],
    ] as const) {
      const init = { method, headers: { authorization, 'content-type': type }, body: 'x' }
      expect((await fetch(new URL('/api/predict', gateway.url), init)).status).toBe(405)
      expect((await fetch(new URL('/nowhere', gateway.url), init)).status).toBe(404)
    }
    expect((await fetch(new URL('/api/models', gateway.url), { method: 'QUERY', headers: { authorization } })).status).toBe(405)
  })

  it('is still told from one that does not exist', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect((await fetch(new URL('/nowhere', gateway.url), { method })).status).toBe(404)
    }
  })
})

describe('a header that may have one line', () => {
  /** Sends lines as they are; answers the first line and the body. */
  async function answerTo(lines: readonly string[], body = ''): Promise<string> {
    const { hostname, port } = new URL(gateway.url)
    const socket = connect(Number(port), hostname)
    socket.write([...lines, 'Connection: close', '', body].join('\r\n'))
    return text(socket)
  }
  const HOST = 'Host: localhost'
  const body = '{"query":"{ viewer { id } }"}'
  const post = (...lines: string[]) => answerTo(['POST /graphql HTTP/1.1', ...lines, `Content-Length: ${body.length}`], body)
  const TYPE = 'Content-Type: application/json'

  it.each([
    ['host', [HOST, 'Host: other.example', TYPE]],
    ['authorization', [HOST, TYPE, 'AUTHORIZATION: Bearer x']],
    ['content-type', [HOST, TYPE, 'Content-Type: text/plain']],
    ['origin', [HOST, TYPE, 'Origin: https://a.example', 'Origin: https://b.example']],
    ['idempotency-key', [HOST, TYPE, 'Idempotency-Key: a', 'Idempotency-Key: a']],
  ])('is refused with two: %s', async (name, lines) => {
    const answer = await post(`Authorization: ${authorization}`, ...lines)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain(`several lines of the header ${name}`)
    expect(answer).toMatch(/^x-content-type-options: nosniff/im)
  })

  it('is taken with one', async () => {
    expect(await post(HOST, TYPE, `Authorization: ${authorization}`, 'X-Other: 1', 'X-Other: 2')).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('is refused with two for a WebSocket', async () => {
    const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
    const upgrade = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', key]
    const answer = await answerTo(['GET /graphql HTTP/1.1', HOST, HOST, ...upgrade])
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('several lines of the header host')
  })
})

describe('a document with many directives at one place', () => {
  it.each([
    ['a field', `{ viewer { id ${'@a '.repeat(450)} } }`],
    ['an operation', `query Q ${'@skip(if: true) '.repeat(100)} { viewer { id } }`],
    ['a variable', `query Q($v: Int ${'@b '.repeat(300)}) { viewer { id } }`],
    ['a fragment', `{ viewer { ...F } } fragment F on Viewer ${'@c '.repeat(300)} { id }`],
  ])('has one error: %s', async (_where, query) => {
    const response = await fetch(new URL('/graphql', gateway.url), {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] }
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['QUERY_TOO_COMPLEX'])
  })
})
