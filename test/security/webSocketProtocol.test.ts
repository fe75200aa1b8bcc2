import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument, CreateApiKeyDocument, HighRiskScoredDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { CANARY } from '../support/refused.js'
import { score, storedRows } from '../support/stored.js'
import { subscribe, type TestSubscription } from '../support/subscription.js'
import { type Frame, OPCODE, openRaw, type RawSocket } from './support/rawSocket.js'

// This file tests what only a hostile client sends. Other files test mistakes of clients:
// test/api/subscriptionsRefused.test.ts: tokens (4401), frames over 64 KiB (1009), malformed messages (4400), ids in use (4409),
// queries and mutations; test/unit/server/streams/webSocket.test.ts: signing in twice (4429) and messages of servers (4400);
// test/api/slowSubscribers.test.ts: slow readers (4413); test/api/subscriptions.test.ts: a gateway that stops (1001).
const WATCH = 'subscription { highRiskScored { id } }'
const printed = vi.spyOn(console, 'error')

let gateway: TestGateway
let admin: GraphqlClient
let neighbour: TestSubscription<{ highRiskScored: { id: string } }>
let authorization: string
beforeAll(async () => {
  gateway = await startGateway()
  admin = await gateway.as({ roles: ['ADMIN'] })
  authorization = `Bearer ${await signToken({ roles: ['MONITOR'] })}`
  const { alertCursor: after } = await admin.data(AlertCursorDocument, {})
  neighbour = subscribe(admin, HighRiskScoredDocument, { after })
})
afterEach(async () => {
  // Whatever was sent, other sockets still work, and no part of it is on standard error.
  const { id } = await score(admin, 'next', HIGH_RISK)
  expect((await neighbour.next()).highRiskScored.id).toBe(id)
  await vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(1))
  expect(printed).not.toHaveBeenCalled()
})
afterAll(async () => {
  await neighbour[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

const text = (payload: string): Frame => ({ opcode: OPCODE.text, payload })
const json = (message: object): Frame => text(JSON.stringify(message))
const subscribeMessage = (id: string) => json({ id, type: 'subscribe', payload: { query: WATCH } })
const received = async (socket: RawSocket) => JSON.parse(String(await socket.next(OPCODE.text))) as Record<string, unknown>

async function signedIn(headers: Record<string, string> = {}): Promise<RawSocket> {
  const socket = await openRaw(gateway.url, headers)
  socket.send(json({ type: 'connection_init', payload: { authorization } }))
  expect(await received(socket)).toEqual({ type: 'connection_ack' })
  return socket
}

describe('a socket of graphql-transport-ws', () => {
  it('is closed with 4406 without the subprotocol, and not opened for another', async () => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`)
    const [code] = await once(socket, 'close')
    expect(code).toBe(4406)
    using other = await openRaw(gateway.url, { 'Sec-WebSocket-Protocol': 'graphql-ws, soap' })
    expect(other.answer).not.toMatch(/^sec-websocket-protocol/im)
    expect(await other.closed).toBe(4406)
  })

  it('is closed with 4408 if its client does not sign in', async () => {
    using silent = await openRaw(gateway.url)
    using talking = await openRaw(gateway.url)
    const timer = setInterval(() => talking.send(json({ type: 'ping' })), 200)
    expect(await Promise.all([silent.closed, talking.closed])).toEqual([4408, 4408])
    clearInterval(timer)
  })

  it('is closed with 4400 for every binary frame', async () => {
    for (const payload of ['{"type":"ping"}', Buffer.from([0, 255, 254])]) {
      using socket = await signedIn()
      socket.send({ opcode: OPCODE.binary, payload })
      expect(await socket.closed).toBe(4400)
    }
  })

  it.each<[string, string]>([
    ['a subscription without an id', JSON.stringify({ type: 'subscribe', payload: { query: WATCH } })],
    ['an empty id', JSON.stringify({ id: '', type: 'subscribe', payload: { query: WATCH } })],
    ['an id that is a list', JSON.stringify({ id: ['1'], type: 'subscribe', payload: { query: WATCH } })],
    ['an unknown type', `{"type":"${CANARY}"}`],
    ['a type of Object.prototype', '{"type":"toString"}'],
    ['the old protocol', '{"type":"start","id":"1","payload":{}}'],
    ['null', 'null'],
    ['a number', '1e400'],
    ['nothing', ''],
    ['a NUL', '\u0000'],
    ['sixty thousand opening brackets', '['.repeat(60_000)],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ type: 'ping' }))],
    ['variables that are a list', JSON.stringify({ id: '1', type: 'subscribe', payload: { query: WATCH, variables: [CANARY] } })],
  ])('is closed with 4400 for %s', async (_what, message) => {
    using socket = await signedIn()
    socket.send(text(message))
    expect(await socket.closed).toBe(4400)
  })

  it('accepts JSON 10,000 levels deep as variables, and is closed with 4400 for it as payload of a ping', async () => {
    using socket = await signedIn()
    const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`
    const query = 'subscription($after: String) { highRiskScored(after: $after) { id } }'
    socket.send(text(`{"id":"1","type":"subscribe","payload":{"query":"${query}","variables":{"after":${deep}}}}`))
    expect(await received(socket)).toMatchObject({
      id: '1',
      type: 'error',
      payload: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    })
    socket.send(text(`{"type":"ping","payload":${deep}}`))
    expect(await socket.closed).toBe(4400)
  })

  it('accepts names of Object.prototype as ids, and ends subscriptions with them', async () => {
    using socket = await signedIn()
    for (const id of ['__proto__', 'constructor', 'toString', 'x'.repeat(10_000)]) {
      socket.send(json({ id, type: 'subscribe', payload: { query: '{ viewer { id } }' } }))
      expect(await received(socket)).toMatchObject({ id, type: 'error', payload: [{ extensions: { code: 'BAD_REQUEST' } }] })
      socket.send(subscribeMessage(id), json({ id, type: 'complete' }))
    }
    socket.send(json({ type: 'ping' }))
    expect(await received(socket)).toEqual({ type: 'pong' })
  })

  const watchAs = (id: string, alias: string) =>
    json({ id, type: 'subscribe', payload: { query: `subscription { ${alias}: highRiskScored { id } }` } })
  const complete = (id: string) => json({ id, type: 'complete' })
  const subscribers = (count: number) =>
    vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(count))

  it.each<[string, (socket: RawSocket) => Promise<void>]>([
    ['it began', async socket => socket.send(watchAs('1', 'first'), complete('1'), watchAs('1', 'second'))],
    [
      'it began, twice',
      async socket =>
        socket.send(watchAs('1', 'first'), complete('1'), watchAs('1', 'other'), complete('1'), watchAs('1', 'second')),
    ],
    [
      'it was completed, in the same packet',
      async socket => {
        socket.send(watchAs('1', 'first'))
        await subscribers(2)
        socket.send(complete('1'), watchAs('1', 'second'))
      },
    ],
  ])('carries only the last subscription of an id that was used again before %s', async (_when, begin) => {
    using socket = await signedIn()
    await begin(socket)
    await subscribers(2)
    const { id } = await score(admin, 'again', HIGH_RISK)
    expect(await received(socket)).toEqual({ id: '1', type: 'next', payload: { data: { second: { id } } } })
    expect((await neighbour.next()).highRiskScored.id).toBe(id)
    socket.send(complete('1'))
    await subscribers(1)
    await score(admin, 'unseen', HIGH_RISK)
    await neighbour.next()
    socket.send(json({ type: 'ping' }))
    expect(await received(socket)).toEqual({ type: 'pong' })
  })

  it.each(['1', 'x'.repeat(200), 'é'.repeat(20_000)])('is closed with 4409 for an id that is in use, however long', async id => {
    using socket = await signedIn()
    socket.send(subscribeMessage(id), subscribeMessage(id))
    expect(await socket.closed).toBe(4409)
  })

  it('answers a ping with a pong and its payload, even before signing in', async () => {
    using socket = await openRaw(gateway.url)
    socket.send(json({ type: 'ping', payload: { a: 1 } }), json({ type: 'pong' }), json({ type: 'pong', payload: {} }))
    expect(await received(socket)).toEqual({ type: 'pong', payload: { a: 1 } })
    socket.send({ opcode: OPCODE.ping, payload: 'beat' })
    expect(String(await socket.next(OPCODE.pong))).toBe('beat')
    socket.send(json({ type: 'connection_init', payload: { authorization } }))
    expect(await received(socket)).toEqual({ type: 'connection_ack' })
  })

  it('ignores messages after a mistake, and after the close', async () => {
    const before = await storedRows(gateway)
    using socket = await signedIn()
    socket.send(text('{'), subscribeMessage('1'), json({ type: 'ping' }))
    expect(await socket.closed).toBe(4400)
    socket.send(subscribeMessage('2'), { opcode: OPCODE.binary, payload: 'x' }, json({ type: 'connection_init' }))
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('does not wait for its authentication: messages before the answer are closed with 4401 and 4429', async () => {
    for (const [message, code] of [
      [subscribeMessage('1'), 4401],
      [json({ type: 'connection_init', payload: { authorization } }), 4429],
    ] as const) {
      // The key is new, so that its look-up in the database takes longer than the next message.
      const { key } = (await admin.data(CreateApiKeyDocument, { input: { principal: 'new', roles: ['MONITOR'] } })).createApiKey
      using socket = await openRaw(gateway.url)
      socket.send(json({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }), message)
      expect(await socket.closed).toBe(code)
    }
  })

  it.each<[string, unknown]>([
    ['a list', ['Bearer x']],
    ['an object', { toString: 'x' }],
    ['a number', 5],
    ['60,000 characters', `Bearer ${'x'.repeat(60_000)}`],
    ['a line break', 'Bearer a\r\nX: b'],
    ['nothing', null],
  ])('is closed with 4401 for an authorization that is %s', async (_what, given) => {
    using socket = await openRaw(gateway.url)
    socket.send(json({ type: 'connection_init', payload: { authorization: given } }))
    expect(await socket.closed).toBe(4401)
  })
})

describe('frames', () => {
  it.each<[string, number, Frame[]]>([
    ['an unmasked frame', 1002, [{ ...text('{"type":"ping"}'), isMasked: false }]],
    ['a compressed frame without negotiation', 1002, [{ ...text('x'), reserved: 4 }]],
    ['another reserved bit', 1002, [{ ...text('x'), reserved: 2 }]],
    ['an unknown opcode', 1002, [{ opcode: 3, payload: 'x' }]],
    ['the end of a message without its beginning', 1002, [{ opcode: OPCODE.continuation, payload: 'x' }]],
    ['a message inside another', 1002, [{ ...text('{'), isFinal: false }, text('{"type":"ping"}')]],
    ['a ping of 126 bytes', 1002, [{ opcode: OPCODE.ping, payload: 'x'.repeat(126) }]],
    ['a ping in parts', 1002, [{ opcode: OPCODE.ping, payload: 'x', isFinal: false }]],
    ['a close frame of one byte', 1002, [{ opcode: OPCODE.close, payload: 'x' }]],
    ['an invalid close code', 1002, [{ opcode: OPCODE.close, payload: Buffer.from([0, 5]) }]],
    ['a text that is not UTF-8', 1007, [{ opcode: OPCODE.text, payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) }]],
    ['half a surrogate pair as UTF-8', 1007, [{ opcode: OPCODE.text, payload: Buffer.from([0xed, 0xa0, 0x80]) }]],
    [
      'parts that are over 64 KiB together',
      1009,
      [
        { ...text('x'.repeat(40_000)), isFinal: false },
        { opcode: OPCODE.continuation, payload: 'x'.repeat(40_000) },
      ],
    ],
  ])('close the socket if one is malformed: %s, with %i', async (_what, code, frames) => {
    using socket = await signedIn()
    socket.send(...frames)
    expect(await socket.closed).toBe(code)
  })

  it('close the socket by their announced length, before their payload has come', async () => {
    using socket = await signedIn()
    // The head of a text of 2^62 bytes.
    socket.tcp.write(Buffer.from([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]))
    expect(await socket.closed).toBe(1009)
  })

  const inParts = (message: string, size: number): Frame[] => {
    const parts = Array.from({ length: Math.ceil(message.length / size) }, (_, i) => message.slice(i * size, (i + 1) * size))
    return parts.map((payload, i) => ({
      opcode: i === 0 ? OPCODE.text : OPCODE.continuation,
      payload,
      isFinal: i === parts.length - 1,
    }))
  }

  it('may be the parts of one message, a few hundred of them with pings in between', async () => {
    using socket = await signedIn()
    const parts = inParts(`{"type":"ping","payload":{"x":"${'x'.repeat(60_000)}"}}`, 200)
    for (const part of parts) {
      socket.send(part)
      if (part.isFinal) continue
      socket.send({ opcode: OPCODE.ping, payload: 'between' })
      await socket.next(OPCODE.pong)
    }
    expect(await received(socket)).toMatchObject({ type: 'pong' })
  })

  it('close the socket with 1008 if one message has sixty thousand parts, which would each take memory', async () => {
    using socket = await signedIn()
    socket.send(...inParts(`{"type":"ping","payload":{"x":"${'x'.repeat(60_000)}"}}`, 1))
    expect(await socket.closed).toBe(1008)
  })

  it('are never compressed, because the extension is not negotiated, so that no small frame can grow', async () => {
    using socket = await signedIn({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' })
    expect(socket.answer).toMatch(/^HTTP\/1\.1 101 /)
    expect(socket.answer).not.toMatch(/^sec-websocket-extensions/im)
  })
})

describe('a malformed handshake', () => {
  it.each<[string, Record<string, string>, RegExp]>([
    ['an old version', { 'Sec-WebSocket-Version': '7' }, /^HTTP\/1\.1 426 [\s\S]*^sec-websocket-version: 13\r$/im],
    ['an invalid key', { 'Sec-WebSocket-Key': CANARY }, /^HTTP\/1\.1 400 /],
    ['an invalid protocol', { 'Sec-WebSocket-Protocol': 'graphql-transport-ws,,' }, /^HTTP\/1\.1 400 /],
    ['an invalid extension', { 'Sec-WebSocket-Extensions': 'permessage-deflate; =' }, /^HTTP\/1\.1 (101|400) /],
    ['headers of 20 KiB', { 'X-Long': 'x'.repeat(20_000) }, /^HTTP\/1\.1 431 /],
  ])('is refused for %s', async (_what, headers, answer) => {
    using socket = await openRaw(gateway.url, headers)
    expect(socket.answer).toMatch(answer)
    expect(socket.answer).not.toContain(CANARY)
  })
})

describe('a flood', () => {
  it('of a hundred thousand messages is answered, and other sockets work meanwhile', async () => {
    using socket = await signedIn()
    const pings = Array.from({ length: 1_000 }, () => json({ type: 'ping' }))
    for (let sent = 0; sent < 100; sent++) {
      socket.send(...pings)
      for (let pongs = 0; pongs < pings.length; pongs++) await socket.next(OPCODE.text)
      if (sent !== 50) continue
      const { id } = await score(admin, 'meanwhile', HIGH_RISK)
      expect((await neighbour.next()).highRiskScored.id).toBe(id)
    }
  })

  it('of messages whose answers are not read is closed with 4413', async () => {
    using socket = await signedIn()
    socket.tcp.pause()
    const pings = Array.from({ length: 1_000 }, () => json({ type: 'ping', payload: { x: 'x'.repeat(1_000) } }))
    const refused = () => metric(gateway, 'riskgate_subscriptions_total', { operation: 'none', code: 'SLOW_SUBSCRIBER' })
    const before = (await refused()) ?? 0
    for (let sent = 0; sent < 10; sent++) socket.send(...pings)
    await vi.waitFor(async () => expect(await refused()).toBe(before + 1), { timeout: 10_000, interval: 50 })
    socket.tcp.resume()
    expect(await socket.closed).toBe(4413)
  })

  it('of pings whose pongs are not read ends the connection, so that they take no memory', async () => {
    using socket = await signedIn()
    socket.tcp.pause()
    const pings = Array.from({ length: 100 }, (): Frame => ({ opcode: OPCODE.ping, payload: 'x'.repeat(125) }))
    let isOpen = true
    socket.tcp.once('close', () => {
      isOpen = false
    })
    // At most 13 MB, which the server must not accept.
    for (let sent = 0; sent < 1_000 && isOpen; sent++) {
      socket.send(...pings)
      // The server handles one in each turn.
      do await new Promise(setImmediate)
      while (socket.tcp.writableLength > 0 && isOpen)
    }
    expect(isOpen).toBe(false)
  })
})
