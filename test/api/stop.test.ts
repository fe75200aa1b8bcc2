import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'

// What a request in hand has to be answered in. After it the gateway cuts every connection.
const GRACE_MS = 5_000
const BODY = JSON.stringify({ query: '{ viewer { id tenant } }' })

/** Opens a raw connection; `closed` resolves with all that the gateway sent. */
async function connectTo({ url }: TestGateway): Promise<{ socket: Socket; closed: Promise<string> }> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ''
  socket.setEncoding('utf8').on('data', text => {
    received += text
  })
  // A cut connection may end with a reset.
  socket.on('error', () => undefined)
  const closed = new Promise<string>(resolve => socket.once('close', () => resolve(received)))
  await once(socket, 'connect')
  return { socket, closed }
}

/** Sends a request except for the last byte of its body, after the gateway has begun to read it. */
async function sendMost(socket: Socket): Promise<void> {
  socket.write(
    [
      'POST /graphql HTTP/1.1',
      'host: riskgate',
      `authorization: Bearer ${await signToken({ roles: ['ANALYST'] })}`,
      'content-type: application/json',
      `content-length: ${BODY.length}`,
      'expect: 100-continue',
      '\r\n',
    ].join('\r\n'),
  )
  const [answer] = await once(socket, 'data')
  expect(answer).toContain('100 Continue')
  socket.write(BODY.slice(0, -1))
}

const WAYS_TO_STALL: [string, (socket: Socket) => unknown][] = [
  ['a connection that sends nothing', () => undefined],
  ['half-sent headers', socket => socket.write('POST /graphql HTTP/1.1\r\nhost: risk')],
  ['a half-sent body', sendMost],
]

// At once: most of their time, gateways wait for their clients.
describe.concurrent('a gateway that stops', () => {
  it.each(WAYS_TO_STALL)('is not held up by %s', async (_what, stall) => {
    const gateway = await startGateway()
    const { socket, closed } = await connectTo(gateway)
    await stall(socket)
    await gateway[Symbol.asyncDispose]()
    expect(await closed).not.toContain('HTTP/1.1 200')
  })

  it('closes idle connections, and still answers an open request and the request after it', async () => {
    const gateway = await startGateway()
    const [silent, busy] = [await connectTo(gateway), await connectTo(gateway)]
    await sendMost(busy.socket)
    const stopped = gateway[Symbol.asyncDispose]()
    expect(await silent.closed).toBe('')
    busy.socket.write(`${BODY.slice(-1)}GET /healthz HTTP/1.1\r\nhost: riskgate\r\n\r\n`)
    const [, first, second] = (await busy.closed).split(/^HTTP\/1\.1 (?=200)/m)
    await stopped
    expect(first).toContain('"tenant":"default"')
    expect(second).toContain('{"status":"ok"}')
    expect(second).toMatch(/^connection: close/im)
  })

  it('closes a connection after its answer, even if that said keep-alive', async () => {
    const gateway = await startGateway()
    const [silent, busy] = [await connectTo(gateway), await connectTo(gateway)]
    await sendMost(busy.socket)
    const stoppedAt = performance.now()
    const stopped = gateway[Symbol.asyncDispose]()
    await silent.closed
    busy.socket.write(BODY.slice(-1))
    expect(await busy.closed).toMatch(/HTTP\/1\.1 200[\s\S]*connection: keep-alive[\s\S]*"tenant":"default"/i)
    expect(performance.now() - stoppedAt).toBeLessThan(GRACE_MS)
    await stopped
  })
})
