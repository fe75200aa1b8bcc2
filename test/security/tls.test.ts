import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { createClient } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { makePair } from '../support/certificates.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { until } from '../support/process.js'
import { ask, askViewer, bearer, connectTo, startTransport, type TransportServer, VIEWER } from './support/transportServer.js'

let server: TransportServer
beforeAll(async () => {
  server = await startTransport({ isTls: true })
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(() => expect(server.reports).toEqual([]))

const nameOf = (socket: unknown) => (socket as TLSSocket).getPeerCertificate().subject.CN
const EVENTS = 'subscription { counts }'

/** A socket class that trusts the server. */
function trusting({ ca }: TransportServer) {
  return class extends WebSocket {
    constructor(address: string, protocols: string) {
      super(address, protocols, { ca })
    }
  }
}

describe('a server with a certificate', () => {
  it('answers over HTTPS, and requires HTTPS from then on', async () => {
    expect(server.url).toMatch(/^https:/)
    const { status, headers, text } = await askViewer(server)
    expect({ status, text }).toEqual({ status: 200, text: '{"data":{"viewer":"test-client"}}\n' })
    expect(headers['strict-transport-security']).toBe('max-age=31536000')
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async version => {
    const { socket } = await connectTo(server, { tls: { minVersion: version, maxVersion: version } })
    expect((socket as TLSSocket).getProtocol()).toBe(version)
    socket.destroy()
  })

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['a cipher in CBC mode', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA' }],
    ['a key exchange without forward secrecy', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ] as const)('refuses %s', async (_what, tls) => {
    await using other = await startTransport({ isTls: true, keyType: 'rsa' })
    const good = await connectTo(other, { tls: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } })
    expect((good.socket as TLSSocket).authorized).toBe(true)
    const { socket, closed } = await connectTo(other, { tls })
    expect((socket as TLSSocket).authorized).toBe(false)
    good.socket.destroy()
    socket.destroy()
    expect(await closed).toBe('')
  })

  it('refuses renegotiation', async () => {
    const { socket, closed } = await connectTo(server, { tls: { maxVersion: 'TLSv1.2' } })
    const done = new Promise(resolve => (socket as TLSSocket).renegotiate({}, resolve))
    expect(await Promise.race([done, closed.then(() => 'closed')])).not.toBeNull()
    socket.destroy()
  })

  it('closes a plain HTTP connection without an answer, and counts it', async () => {
    const { socket, closed } = await connectTo(server, { isPlain: true })
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(await closed).not.toContain('HTTP/1.1')
    expect(server.malformed).toContain('no TLS')
  })

  it('delivers over secure WebSockets', async () => {
    const client = createClient({
      url: `${server.url.replace('https', 'wss')}/graphql`,
      webSocketImpl: trusting(server),
      connectionParams: await bearer('MONITOR'),
      retryAttempts: 0,
    })
    const events = client.iterate({ query: EVENTS })
    expect([await events.next(), await events.next()]).toMatchObject([
      { value: { data: { counts: 1 } } },
      { value: { data: { counts: 2 } } },
    ])
    await client.dispose()
  })

  it('delivers server-sent events', async () => {
    const { socket, closed } = await connectTo(server)
    const { authorization } = await bearer('MONITOR')
    const address = `/graphql/stream?query=${encodeURIComponent(EVENTS)}`
    socket.write(`GET ${address} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\naccept: text/event-stream\r\n\r\n`)
    let received = ''
    for await (const part of socket) {
      received += part
      if (received.includes('"counts":2')) break
    }
    expect(received).toContain('data: {"data":{"counts":1}}')
    expect(received).toMatch(/^strict-transport-security: /m)
    await closed
  })
})

describe('a server with a certificate that stops', () => {
  it('closes sockets in order, answers open requests, and does not wait for silent connections', async () => {
    await using other = await startTransport({ isTls: true })
    const socket = new WebSocket(`${other.url.replace('https', 'wss')}/graphql`, 'graphql-transport-ws', { ca: other.ca })
    await once(socket, 'open')
    const handshake = await connectTo(other, { isPlain: true })
    // The head of a record whose body never comes.
    handshake.socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
    const [silent, busy] = [await connectTo(other), await connectTo(other)]
    const { authorization } = await bearer('ANALYST')
    busy.socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n` +
        `content-length: ${VIEWER.length}\r\nexpect: 100-continue\r\n\r\n`,
    )
    await once(busy.socket, 'data')
    busy.socket.write(VIEWER.slice(0, -1))
    const [stopped, goodbye] = [other.stop(), once(socket, 'close')]
    expect((await goodbye)[0]).toBe(1001)
    expect([await silent.closed, await handshake.closed]).toEqual(['', ''])
    // The request is still open after the silent connections were closed.
    busy.socket.write(VIEWER.slice(-1))
    expect(await busy.closed).toMatch(/HTTP\/1\.1 200[\s\S]*"viewer":"test-client"/)
    await stopped
    expect(other.reports).toEqual([])
  })

  it('cuts server-sent events, so that clients connect elsewhere', async () => {
    await using other = await startTransport({ isTls: true })
    const { socket, closed } = await connectTo(other)
    const { authorization } = await bearer('MONITOR')
    const body = JSON.stringify({ query: EVENTS })
    socket.write(
      `POST /graphql/stream HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\n\r\n${body}`,
    )
    await once(socket, 'data')
    await other.stop()
    expect(await closed).not.toContain('event: complete')
  })
})

describe('a renewed certificate', () => {
  it('is used for new connections, while open ones stay open', async () => {
    await using other = await startTransport({ isTls: true })
    const before = await connectTo(other)
    expect(nameOf(before.socket)).toBe('riskgate.test')
    const renewed = await makePair({ name: 'renewed.test' })
    await other.secret?.swap(renewed)
    await until(() => other.renewals.length > 1)
    expect(other.renewals).toEqual(['loaded', 'loaded'])
    const after = await connectTo({ ...other, ca: renewed.cert })
    expect(nameOf(after.socket)).toBe('renewed.test')
    for (const { socket } of [before, after]) {
      socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
      expect(String((await once(socket, 'data'))[0])).toContain('{"status":"ok"}')
      socket.destroy()
    }
    // The settings of the first context apply to the new one too.
    const weak = await connectTo(
      { ...other, ca: renewed.cert },
      { tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } },
    )
    expect(await weak.closed).toBe('')
    expect((weak.socket as TLSSocket).authorized).toBe(false)
  })

  it('is not used if the new pair is broken, which is reported once', async () => {
    await using other = await startTransport({ isTls: true })
    const [one, two] = [await makePair(), await makePair()]
    await other.secret?.swap({ cert: one.cert, key: two.key })
    await until(() => other.renewals.length > 1)
    const good = await makePair({ name: 'good.test' })
    expect(nameOf((await connectTo(other)).socket)).toBe('riskgate.test')
    await other.secret?.swap(good)
    await until(() => other.renewals.at(-1) === 'loaded' && other.renewals.length > 2)
    expect(other.renewals).toEqual(['loaded', expect.stringContaining('RISKGATE_TLS_KEY_FILE is not the key'), 'loaded'])
    expect(nameOf((await connectTo({ ...other, ca: good.cert })).socket)).toBe('good.test')
  })
})

describe('the gateway', () => {
  it('ends with status 78 and names the setting if a certificate cannot be used', async () => {
    const environment = {
      ...TEST_KEY,
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      RISKGATE_TLS_CERT_FILE: '/nowhere/tls.crt',
      RISKGATE_TLS_KEY_FILE: '/nowhere/tls.key',
    }
    const { status, stderr } = await runCommand([], environment)
    expect({ status, stderr }).toEqual({
      status: 78,
      stderr: 'riskgate: RISKGATE_TLS_CERT_FILE names a file that cannot be read (ENOENT).\n',
    })
  })

  it('is healthy without a credential over TLS', async () => {
    expect(await ask(server, '/healthz')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
  })
})
