import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TransportLimits } from '../../src/server/transport/transportLimits.js'
import {
  answerTo,
  askViewer,
  bearer,
  connectTo,
  startTransport,
  type TransportServer,
  VIEWER,
} from './support/transportServer.js'

const CANARY = 'CANARY4711'
const HEALTH = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'

let server: TransportServer
beforeAll(async () => {
  server = await startTransport()
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(() => expect(server.reports).toEqual([]))

/** The answers in what a connection brought. */
function answersIn(received: string): { status: number; head: string; body: string }[] {
  return received.split(/(?=HTTP\/1\.1 \d{3} )/).map(answer => {
    const [head = '', body = ''] = answer.split('\r\n\r\n', 2)
    return { status: Number(head.slice(9, 12)), head: head.toLowerCase(), body }
  })
}

function expectRefused(received: string, status: number, code: string): void {
  const [answer, ...more] = answersIn(received)
  expect(more).toEqual([])
  expect(answer?.status).toBe(status)
  expect(JSON.parse(answer?.body ?? '')).toEqual({ errors: [{ message: expect.any(String), extensions: { code } }] })
  expect(answer?.head).toContain("content-security-policy: default-src 'none';frame-ancestors 'none'")
  expect(answer?.head).toContain('cache-control: no-store')
  expect(answer?.head).toContain('content-type: application/json')
  expect(answer?.head).not.toMatch(/^(server|x-powered-by):/m)
  expect(received).not.toContain(CANARY)
}

const post = (...headers: string[]) =>
  ['POST /graphql HTTP/1.1', 'host: x', 'connection: close', 'content-type: application/json', ...headers, '\r\n'].join('\r\n')
const get = (target: string, ...headers: string[]) =>
  [`GET ${target} HTTP/1.1`, 'host: x', 'connection: close', ...headers, '\r\n'].join('\r\n')

describe('what is no request', () => {
  it.each<[string, string]>([
    ['garbage', `${CANARY}\r\n\r\n`],
    ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method that nobody knows', `${CANARY} / HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['a version that nobody knows', 'GET / HTTP/9.9\r\nhost: x\r\n\r\n'],
    ['a target with a space', `GET /${CANARY} x HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['no Host', 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['a header without a colon', get('/healthz', CANARY)],
    ['a space before the colon', get('/healthz', `x-test : ${CANARY}`)],
    ['a control character in a header', get('/healthz', 'x-test: a\x00b')],
    ['a header over two lines', get('/healthz', `x-test: a\r\n ${CANARY}`)],
    ['lines that end with a line feed alone', 'GET /healthz HTTP/1.1\nhost: x\nconnection: close\n\n'],
    ['a length beside chunks', `${post(`content-length: ${VIEWER.length}`, 'transfer-encoding: chunked')}0\r\n\r\n`],
    ['two lengths', `${post('content-length: 3', 'content-length: 4')}abcd`],
    ['two equal lengths', `${post('content-length: 4', 'content-length: 4')}abcd`],
    ['a length that is no number', `${post('content-length: 1e1')}`],
    ['a length with a sign', `${post('content-length: +4')}abcd`],
    ['a length below zero', `${post('content-length: -1')}`],
    ['a length beyond numbers', `${post('content-length: 99999999999999999999')}`],
    ['chunks that are not the last encoding', `${post('transfer-encoding: chunked, gzip')}0\r\n\r\n`],
    ['an encoding that nobody knows', `${post('transfer-encoding: xchunked')}0\r\n\r\n`],
    ['CONNECT', `CONNECT ${CANARY}:443 HTTP/1.1\r\nhost: ${CANARY}\r\n\r\n`],
  ])('is refused in our form: %s', async (_what, text) => {
    expectRefused(await answerTo(server, text), 400, 'BAD_REQUEST')
  })

  it('is refused in our form: an expectation that we do not know', async () => {
    expectRefused(await answerTo(server, get('/healthz', `expect: ${CANARY}`)), 417, 'BAD_REQUEST')
  })

  it.each<[string, string]>([
    ['one that is too long', get('/healthz', `x-test: ${CANARY.repeat(1_700)}`)],
    ['many that are', get('/healthz', ...Array.from({ length: 90 }, (_, i) => `x-${i}: ${'x'.repeat(200)}`))],
    ['too many short ones', get('/healthz', ...Array.from({ length: 101 }, (_, i) => `x-${i}: ${i}`))],
    ['an address that is too long', get(`/healthz?${'x'.repeat(16 * 1024)}`)],
  ])('is refused with 431 for its headers: %s', async (_what, text) => {
    expectRefused(await answerTo(server, text), 431, 'PAYLOAD_TOO_LARGE')
  })

  it('does not reach whoever is behind it: a bad chunk ends the connection', async () => {
    const { authorization } = await bearer('ANALYST')
    const text = `${post(`authorization: ${authorization}`, 'transfer-encoding: chunked')}zz\r\n${HEALTH}`
    expectRefused(await answerTo(server, text), 400, 'BAD_REQUEST')
  })

  it('brings no answer that a proxy would take for that of another request', async () => {
    const [early, pipelined] = [await connectTo(server), await connectTo(server)]
    // It has its answer before its body, which is broken.
    early.socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
    await once(early.socket, 'data')
    early.socket.write(`zz\r\n${HEALTH}`)
    expect(answersIn(await early.closed).map(({ status }) => status)).toEqual([401])
    // Behind one that is still in hand: readiness is asked of others.
    pipelined.socket.write(`${get('/readyz')}${CANARY}\r\n\r\n`)
    expect(await pipelined.closed).toBe('')
    const behind = await connectTo(server)
    behind.socket.write(HEALTH)
    await once(behind.socket, 'data')
    behind.socket.write(`${CANARY}\r\n\r\n`)
    expect(answersIn(await behind.closed).map(({ status }) => status)).toEqual([200, 400])
  })
})

describe('what is a request, but an odd one', () => {
  it.each(['TRACE', 'OPTIONS', 'PROPFIND', 'LINK', 'PURGE', 'M-SEARCH', 'QUERY'])(
    'does nothing with the method %s, and repeats nothing',
    async method => {
      const text = `${method} /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-test: ${CANARY}\r\n\r\n`
      const received = await answerTo(server, text)
      const [answer] = answersIn(received)
      expectRefused(received, answer?.status ?? 0, answer?.status === 404 ? 'NOT_FOUND' : 'BAD_REQUEST')
      expect([400, 404]).toContain(answer?.status)
    },
  )

  it.each([
    `//${CANARY}`,
    `/${CANARY}%00`,
    `/../${CANARY}`,
    `/..%2f..%2f${CANARY}`,
    `/healthz;${CANARY}`,
    `/assets/..%2f..%2f${CANARY}`,
    `/assets/%2e%2e/%2e%2e/${CANARY}`,
    `/assets/%00${CANARY}`,
    `/\\..\\${CANARY}`,
    `/assets/${'a/'.repeat(100)}`,
    `http://${CANARY}/nowhere`,
    '*',
    '*metrics',
  ])('finds nothing at %s', async target => {
    const received = await answerTo(server, get(target))
    const [answer] = answersIn(received)
    expect([400, 403, 404]).toContain(answer?.status)
    const code = { 400: 'BAD_REQUEST', 403: 'FORBIDDEN', 404: 'NOT_FOUND' }[answer?.status ?? 0] ?? ''
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ errors: [{ extensions: { code } }] })
    expect(received).not.toContain(CANARY)
  })

  it('is answered with the whole address as its target, as HTTP wants it', async () => {
    const [answer] = answersIn(await answerTo(server, get(`http://${CANARY}/healthz`)))
    expect(answer).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  })

  it('is answered in HTTP/1.0, without Host, and closed', async () => {
    const [answer] = answersIn(await answerTo(server, 'GET /healthz HTTP/1.0\r\n\r\n'))
    expect(answer).toMatchObject({ status: 200, body: '{"status":"ok"}' })
    expect(answer?.head).toContain('connection: close')
  })

  it('is read after 100 Continue where its client waits for that', async () => {
    const { authorization } = await bearer('ANALYST')
    const { socket, closed } = await connectTo(server)
    socket.write(post(`authorization: ${authorization}`, `content-length: ${VIEWER.length}`, 'expect: 100-continue'))
    await once(socket, 'data')
    socket.write(VIEWER)
    expect(answersIn(await closed).map(({ status }) => status)).toEqual([100, 200])
  })

  it.each<[string, string[], number, string]>([
    ['another protocol', ['upgrade: h2c', 'http2-settings: AAMAAABkAARAAAAAAAIAAAAA'], 400, 'BAD_REQUEST'],
    ['no key', ['upgrade: websocket', 'sec-websocket-version: 13'], 400, 'BAD_REQUEST'],
    [
      'another version',
      ['upgrade: websocket', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version: 99'],
      400,
      'BAD_REQUEST',
    ],
  ])('is no WebSocket: %s', async (_what, headers, status, code) => {
    const text = ['GET /graphql HTTP/1.1', 'host: x', 'connection: upgrade', ...headers, '\r\n'].join('\r\n')
    expectRefused(await answerTo(server, text), status, code)
  })

  it('is no WebSocket at another address', async () => {
    const text = `GET /${CANARY} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`
    expectRefused(await answerTo(server, text), 404, 'NOT_FOUND')
  })
})

describe('a slow client', () => {
  const CUT_MS = 250
  // All limits but the one under test are out of reach: it alone can have cut a connection, however slow the machine is.
  const NEVER_MS = 120_000
  const FAR: Partial<TransportLimits> = {
    checkEveryMs: 20,
    headersMs: NEVER_MS,
    requestMs: NEVER_MS,
    idleMs: NEVER_MS,
    answerMs: NEVER_MS,
    keepAliveMs: NEVER_MS,
    handshakeMs: NEVER_MS,
  }

  it.each<
    [
      string,
      Partial<TransportLimits>,
      (write: (text: string) => void, tick: (each: () => void) => void) => void,
      number | undefined,
    ]
  >([
    ['says nothing', { headersMs: CUT_MS }, () => {}, undefined],
    ['stops in the first line', { headersMs: CUT_MS }, write => write('GET /hea'), 408],
    [
      'sends a header at a time',
      { headersMs: CUT_MS },
      (write, tick) => {
        write('GET /healthz HTTP/1.1\r\nhost: x\r\n')
        tick(() => write('x-test: x\r\n'))
      },
      408,
    ],
    [
      'stops half way into an upgrade',
      { headersMs: CUT_MS },
      write => write('GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n'),
      408,
    ],
    ['says nothing behind its first answer', { keepAliveMs: CUT_MS }, write => write(HEALTH), 200],
  ])('is cut that %s', async (_what, limits, begin, status) => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, ...limits } })
      const { socket, closed, closedAfterMs } = await connectTo(other)
      const timers: NodeJS.Timeout[] = []
      begin(
        text => socket.write(text),
        each => timers.push(setInterval(each, 20)),
      )
      const received = await closed
      timers.forEach(clearInterval)
      expect(answersIn(received)[0]?.status || undefined).toBe(status)
      expect(await closedAfterMs).toBeGreaterThan(CUT_MS - 50)
      if (status !== 200) expect(other.malformed).toEqual([status === undefined ? 'silent' : 'too slow'])
    }
  })

  it('is cut that sends its body a byte at a time', async () => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, requestMs: CUT_MS } })
      const { socket, closed } = await connectTo(other)
      const { authorization } = await bearer('ANALYST')
      socket.write(post(`authorization: ${authorization}`, 'content-length: 5000'))
      const timer = setInterval(() => socket.write(' '), 20)
      expectRefused(await closed, 408, 'BAD_REQUEST')
      clearInterval(timer)
      expect(other.malformed).toEqual(['too slow'])
      expect(other.reports).toEqual([])
    }
  })

  it('is cut that does not read its answer', async () => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, idleMs: CUT_MS } })
      const { authorization } = await bearer('ANALYST')
      const body = JSON.stringify({ query: '{ huge }' })
      const { socket, closed } = await connectTo(other)
      socket.write(`${post(`authorization: ${authorization}`, `content-length: ${body.length}`)}${body}`)
      await once(socket, 'data')
      socket.pause()
      await new Promise(resolve => setTimeout(resolve, CUT_MS * 4))
      socket.resume()
      await closed
      // Far less than all of it was there to be read: the rest went with the connection.
      expect(socket.bytesRead).toBeLessThan(32 * 1024 * 1024)
    }
  })

  it('is cut that reads its answer drop by drop', async () => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, answerMs: CUT_MS * 2 } })
      const { authorization } = await bearer('ANALYST')
      const body = JSON.stringify({ query: '{ huge }' })
      const { socket, closed } = await connectTo(other)
      socket.write(`${post(`authorization: ${authorization}`, `content-length: ${body.length}`)}${body}`)
      await once(socket, 'data')
      const timer = setInterval(() => {
        socket.once('data', () => socket.pause())
        socket.resume()
      }, 50)
      socket.pause()
      await new Promise(resolve => setTimeout(resolve, CUT_MS * 6))
      clearInterval(timer)
      socket.resume()
      await closed
      expect(socket.bytesRead).toBeLessThan(48 * 1024 * 1024)
    }
  })

  it('is cut that never finishes its handshake, also when it goes on a byte at a time', async () => {
    await using other = await startTransport({ isTls: true, limits: { ...FAR, handshakeMs: CUT_MS } })
    const [silent, slow] = [await connectTo(other, { isPlain: true }), await connectTo(other, { isPlain: true })]
    // A record that announces 512 bytes.
    slow.socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]))
    const timer = setInterval(() => slow.socket.write('x'), 20)
    await Promise.all([silent.closed, slow.closed])
    clearInterval(timer)
  })

  it('does not keep others from their answers', async () => {
    await using other = await startTransport({ limits: FAR })
    const slow = await Promise.all(Array.from({ length: 500 }, () => connectTo(other)))
    for (const { socket } of slow) socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\n')
    expect(await askViewer(other)).toMatchObject({ status: 200 })
    // They were there all the time.
    expect(slow.filter(({ socket }) => socket.readyState === 'open')).toHaveLength(500)
    for (const { socket } of slow) socket.destroy()
  })
})
