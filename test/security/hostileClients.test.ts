import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { Socket } from 'node:net'
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

/** The answers in the text that a connection received. */
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

describe('a malformed request', () => {
  it.each<[string, string]>([
    ['garbage', `${CANARY}\r\n\r\n`],
    ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an unknown method', `${CANARY} / HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['an unknown version', 'GET / HTTP/9.9\r\nhost: x\r\n\r\n'],
    ['a target with a space', `GET /${CANARY} x HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['no Host', 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['a header without a colon', get('/healthz', CANARY)],
    ['a space before the colon', get('/healthz', `x-test : ${CANARY}`)],
    ['a control character in a header', get('/healthz', 'x-test: a\x00b')],
    ['a header over two lines', get('/healthz', `x-test: a\r\n ${CANARY}`)],
    ['lines that end with only a line feed', 'GET /healthz HTTP/1.1\nhost: x\nconnection: close\n\n'],
    ['a length together with chunks', `${post(`content-length: ${VIEWER.length}`, 'transfer-encoding: chunked')}0\r\n\r\n`],
    ['two lengths', `${post('content-length: 3', 'content-length: 4')}abcd`],
    ['two equal lengths', `${post('content-length: 4', 'content-length: 4')}abcd`],
    ['a length that is not a number', `${post('content-length: 1e1')}`],
    ['a length with a sign', `${post('content-length: +4')}abcd`],
    ['a negative length', `${post('content-length: -1')}`],
    ['a length that is too large', `${post('content-length: 99999999999999999999')}`],
    ['chunks that are not the last encoding', `${post('transfer-encoding: chunked, gzip')}0\r\n\r\n`],
    ['an unknown encoding', `${post('transfer-encoding: xchunked')}0\r\n\r\n`],
    ['CONNECT', `CONNECT ${CANARY}:443 HTTP/1.1\r\nhost: ${CANARY}\r\n\r\n`],
  ])('is refused in the form of our errors: %s', async (_what, text) => {
    expectRefused(await answerTo(server, text), 400, 'BAD_REQUEST')
  })

  it('is refused in the form of our errors: an unknown expectation', async () => {
    expectRefused(await answerTo(server, get('/healthz', `expect: ${CANARY}`)), 417, 'BAD_REQUEST')
  })

  it.each<[string, string]>([
    ['one that is too long', get('/healthz', `x-test: ${CANARY.repeat(1_700)}`)],
    ['many that are too long together', get('/healthz', ...Array.from({ length: 90 }, (_, i) => `x-${i}: ${'x'.repeat(200)}`))],
    ['too many short ones', get('/healthz', ...Array.from({ length: 101 }, (_, i) => `x-${i}: ${i}`))],
    ['a URL that is too long', get(`/healthz?${'x'.repeat(16 * 1024)}`)],
  ])('is refused with 431 for its headers: %s', async (_what, text) => {
    expectRefused(await answerTo(server, text), 431, 'PAYLOAD_TOO_LARGE')
  })

  it('ends the connection for a bad chunk, so that text after it is not taken as a request', async () => {
    const { authorization } = await bearer('ANALYST')
    const text = `${post(`authorization: ${authorization}`, 'transfer-encoding: chunked')}zz\r\n${HEALTH}`
    expectRefused(await answerTo(server, text), 400, 'BAD_REQUEST')
  })

  it('gets no answer that a proxy would take as the answer to another request', async () => {
    const [early, pipelined] = [await connectTo(server), await connectTo(server)]
    // It gets its answer before its body, which is broken.
    early.socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
    await once(early.socket, 'data')
    early.socket.write(`zz\r\n${HEALTH}`)
    expect(answersIn(await early.closed).map(({ status }) => status)).toEqual([401])
    // This comes after a request that is still open, because readiness takes a moment.
    pipelined.socket.write(`${get('/readyz')}${CANARY}\r\n\r\n`)
    expect(await pipelined.closed).toBe('')
    const behind = await connectTo(server)
    behind.socket.write(HEALTH)
    await once(behind.socket, 'data')
    behind.socket.write(`${CANARY}\r\n\r\n`)
    expect(answersIn(await behind.closed).map(({ status }) => status)).toEqual([200, 400])
  })
})

describe('an unusual request', () => {
  it.each(['TRACE', 'OPTIONS', 'PROPFIND', 'LINK', 'PURGE', 'M-SEARCH', 'QUERY'])(
    'is refused with the method %s, and is not repeated',
    async method => {
      const text = `${method} /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-test: ${CANARY}\r\n\r\n`
      const received = await answerTo(server, text)
      const [answer] = answersIn(received)
      expectRefused(received, answer?.status ?? 0, answer?.status === 404 ? 'NOT_FOUND' : 'BAD_REQUEST')
      expect([400, 404, 405]).toContain(answer?.status)
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

  it('is answered if its target is a whole URL, as HTTP requires', async () => {
    const [answer] = answersIn(await answerTo(server, get(`http://${CANARY}/healthz`)))
    expect(answer).toMatchObject({ status: 200, body: '{"status":"ok"}' })
  })

  it('in HTTP/1.0 without Host is answered, and its connection closed', async () => {
    const [answer] = answersIn(await answerTo(server, 'GET /healthz HTTP/1.0\r\n\r\n'))
    expect(answer).toMatchObject({ status: 200, body: '{"status":"ok"}' })
    expect(answer?.head).toContain('connection: close')
  })

  it('is read after 100 Continue if its client waits for that', async () => {
    const { authorization } = await bearer('ANALYST')
    const { socket, closed } = await connectTo(server)
    socket.write(post(`authorization: ${authorization}`, `content-length: ${VIEWER.length}`, 'expect: 100-continue'))
    await once(socket, 'data')
    socket.write(VIEWER)
    expect(answersIn(await closed).map(({ status }) => status)).toEqual([100, 200])
  })

  it.each<[string, string[], number, string]>([
    ['no key', ['upgrade: websocket', 'sec-websocket-version: 13'], 400, 'BAD_REQUEST'],
    [
      'another version',
      ['upgrade: websocket', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version: 99'],
      426,
      'BAD_REQUEST',
    ],
  ])('opens no WebSocket: %s', async (_what, headers, status, code) => {
    const text = ['GET /graphql HTTP/1.1', 'host: x', 'connection: upgrade', ...headers, '\r\n'].join('\r\n')
    expectRefused(await answerTo(server, text), status, code)
  })

  it('is served as ever if it asks for another protocol, as those of Java do', async () => {
    const { authorization } = await bearer('ANALYST')
    const asking = (...headers: string[]) =>
      ['POST /graphql HTTP/1.1', 'host: x', 'connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABk']
        .concat('content-type: application/json', `authorization: ${authorization}`, ...headers, '\r\n')
        .join('\r\n')
    const { socket, closed } = await connectTo(server)
    const served = nextServed()
    socket.write(asking(`content-length: ${VIEWER.length}`) + VIEWER.slice(0, 9))
    socket.write(VIEWER.slice(9))
    await once(socket, 'data')
    socket.write(`${asking('transfer-encoding: chunked')}${VIEWER.length.toString(16)}\r\n${VIEWER}\r\n0\r\n\r\n`)
    await once(socket, 'data')
    for (let i = 0; i < 20; i++) {
      socket.write(asking(`content-length: ${VIEWER.length}`) + VIEWER)
      await once(socket, 'data')
    }
    expect((await served).listenerCount('timeout')).toBe(1)
    socket.write(get('/healthz'))
    expect(answersIn(await closed).map(({ status }) => status)).toEqual(Array(23).fill(200))
  })

  it.each([
    ['a WebSocket', 'GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
    ['a WebSocket elsewhere', 'GET /x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
    ['another protocol', 'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'],
    ['a tunnel', 'CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n'],
  ])('gets no answer of the one behind it: %s', async (_what, behind) => {
    const { authorization } = await bearer('ANALYST')
    const { socket, closed } = await connectTo(server)
    const headers = [
      'host: x',
      'content-type: application/json',
      `authorization: ${authorization}`,
      `content-length: ${VIEWER.length}`,
    ]
    socket.write(`${['POST /graphql HTTP/1.1', ...headers, '\r\n'].join('\r\n')}${VIEWER}${behind}`)
    expect(await closed).toBe('')
  })

  it('opens no WebSocket at another URL', async () => {
    const text = `GET /${CANARY} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`
    expectRefused(await answerTo(server, text), 404, 'NOT_FOUND')
  })
})

/** The server's end of the connection with the next request. */
function nextServed(): Promise<Socket> {
  return new Promise(resolve => {
    const began = (message: unknown) => {
      unsubscribe('http.server.request.start', began)
      resolve((message as { socket: Socket }).socket)
    }
    subscribe('http.server.request.start', began)
  })
}

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
    ['sends nothing', { headersMs: CUT_MS }, () => {}, undefined],
    ['stops in the first line', { headersMs: CUT_MS }, write => write('GET /hea'), 408],
    [
      'sends one header at a time',
      { headersMs: CUT_MS },
      (write, tick) => {
        write('GET /healthz HTTP/1.1\r\nhost: x\r\n')
        tick(() => write('x-test: x\r\n'))
      },
      408,
    ],
    [
      'stops in the middle of an upgrade',
      { headersMs: CUT_MS },
      write => write('GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n'),
      408,
    ],
    ['sends nothing after its first answer', { keepAliveMs: CUT_MS }, write => write(HEALTH), 200],
  ])('is cut if it %s', async (_what, limits, begin, status) => {
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

  it('is cut if it sends its body one byte at a time', async () => {
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

  it('is cut if it does not read its answer', async () => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, idleMs: CUT_MS } })
      const { authorization } = await bearer('ANALYST')
      const body = JSON.stringify({ query: '{ huge }' })
      const { socket, closed } = await connectTo(other)
      const served = nextServed()
      socket.write(`${post(`authorization: ${authorization}`, `content-length: ${body.length}`)}${body}`)
      const cut = once(await served, 'close')
      await once(socket, 'data')
      socket.pause()
      await cut
      socket.resume()
      await closed
      // Much less than the whole answer could be read: the rest was lost with the connection.
      expect(socket.bytesRead).toBeLessThan(32 * 1024 * 1024)
    }
  })

  it('is cut if it reads its answer very slowly', async () => {
    for (const isTls of [false, true]) {
      await using other = await startTransport({ isTls, limits: { ...FAR, answerMs: CUT_MS * 2 } })
      const { authorization } = await bearer('ANALYST')
      const body = JSON.stringify({ query: '{ huge }' })
      const { socket, closed } = await connectTo(other)
      const served = nextServed()
      socket.write(`${post(`authorization: ${authorization}`, `content-length: ${body.length}`)}${body}`)
      const cut = once(await served, 'close')
      await once(socket, 'data')
      const timer = setInterval(() => {
        socket.once('data', () => socket.pause())
        socket.resume()
      }, 50)
      socket.pause()
      await cut
      clearInterval(timer)
      socket.resume()
      await closed
      expect(socket.bytesRead).toBeLessThan(48 * 1024 * 1024)
    }
  })

  it('is cut if it never finishes its handshake, even if it sends one byte at a time', async () => {
    await using other = await startTransport({ isTls: true, limits: { ...FAR, handshakeMs: CUT_MS } })
    const [silent, slow] = [await connectTo(other, { isPlain: true }), await connectTo(other, { isPlain: true })]
    // The head of a record that announces 512 bytes.
    slow.socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]))
    const timer = setInterval(() => slow.socket.write('x'), 20)
    await Promise.all([silent.closed, slow.closed])
    clearInterval(timer)
  })

  it('does not delay the answers to others', async () => {
    await using other = await startTransport({ limits: FAR })
    const slow = await Promise.all(Array.from({ length: 500 }, () => connectTo(other)))
    for (const { socket } of slow) socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\n')
    expect(await askViewer(other)).toMatchObject({ status: 200 })
    // They were there all the time.
    expect(slow.filter(({ socket }) => socket.readyState === 'open')).toHaveLength(500)
    for (const { socket } of slow) socket.destroy()
  })
})
