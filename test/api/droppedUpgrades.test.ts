import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { exchange } from '../support/httpExchange.js'
import { metric } from '../support/metrics.js'

const KEY = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }
const VERSION = { 'sec-websocket-version': '13' }
const UPGRADE = { connection: 'upgrade', upgrade: 'websocket' }
const LIMIT = 10

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway({ RISKGATE_RATE_LIMIT_ADDRESS: String(LIMIT) })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const ask = (headers: Record<string, string>, path = '/graphql', method = 'GET') =>
  exchange(`${gateway.url}${path}`, { method, headers })

/** For requests that no client library sends. */
function sendRaw(lines: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  socket.write([...lines, '', ''].join('\r\n'))
  return text(socket)
}

describe('a WebSocket handshake whose upgrade a proxy has dropped', () => {
  it.each<[string, Record<string, string>, string?]>([
    ['both headers', { ...KEY, ...VERSION }],
    ['both headers, to an address with a query', { ...KEY, ...VERSION }, '/graphql?token=x'],
    ['Connection alone', { ...KEY, ...VERSION, upgrade: 'websocket' }],
    ['Upgrade alone', { ...KEY, ...VERSION, connection: 'keep-alive' }],
    ['Connection and the key', { ...VERSION, upgrade: 'WebSocket' }],
    ['the version, too', KEY],
  ])('without %s gets 426 with a hint', async (_what, headers, path) => {
    const answer = await ask(headers, path)
    expect(answer.status).toBe(426)
    expect(Object.fromEntries(answer.headers)).toMatchObject({ upgrade: 'websocket', 'sec-websocket-version': '13' })
    expect(JSON.parse(answer.text).errors[0].message).toMatch(/Upgrade and Connection.*proxy/)
  })

  it('costs no point, however often it comes', async () => {
    for (let i = 0; i < 5 * LIMIT; i++) expect((await ask({ ...KEY, ...VERSION })).status).toBe(426)
    expect((await metric(gateway, 'riskgate_rate_limited_total', { kind: 'address' })) ?? 0).toBe(0)
    expect((await ask({})).status).toBe(401)
  })

  it('gets 426 over CONNECT, as some proxies hand on HTTP/2', async () => {
    const answer = await sendRaw(['CONNECT gateway:443 HTTP/1.1', 'Host: gateway', 'Sec-WebSocket-Version: 13'])
    expect(answer).toMatch(/^HTTP\/1\.1 426 /)
  })
})

describe('what is no such handshake keeps its answer:', () => {
  it.each<[string, Record<string, string>, string, string, number]>([
    ['a plain GET', {}, '/graphql', 'GET', 401],
    ['a POST with such a header', VERSION, '/graphql', 'POST', 401],
    ['another address', { ...KEY, ...VERSION }, '/healthz', 'GET', 200],
    ['an address that is none', { ...KEY, ...VERSION }, '/graphql/x', 'GET', 404],
  ])('%s', async (_what, headers, path, method, status) => {
    expect((await ask(headers, path, method)).status).toBe(status)
  })
})

describe('a handshake that asks for the upgrade', () => {
  it.each<[string, Record<string, string>, number, RegExp]>([
    ['another version', { ...KEY, 'sec-websocket-version': '12' }, 426, /Sec-WebSocket-Version: 13/],
    ['no version', KEY, 426, /Sec-WebSocket-Version: 13/],
    ['no key', VERSION, 400, /Sec-WebSocket-Key/],
    ['a key that is none', { ...VERSION, 'sec-websocket-key': 'short' }, 400, /Sec-WebSocket-Key/],
  ])('with %s is told what to send', async (_what, headers, status, message) => {
    const answer = await ask({ ...UPGRADE, ...headers })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('sec-websocket-version')).toBe('13')
    expect(JSON.parse(answer.text).errors[0].message).toMatch(message)
  })

  it('with another method is told to use GET', async () => {
    const answer = await ask({ ...UPGRADE, ...KEY, ...VERSION }, '/graphql', 'POST')
    expect([answer.status, JSON.parse(answer.text).errors[0].message]).toEqual([400, 'Open a WebSocket by a GET request.'])
  })
})
