import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/** The parts of a frame (RFC 6455, section 5.2); by default they make a valid frame. */
export interface Frame {
  readonly opcode: number
  readonly payload?: Buffer | string
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  /** RSV1, RSV2 and RSV3 as bits 4, 2 and 1. */
  readonly reserved?: number
}

// That of the examples of RFC 6455: any will do, and new ones for a hundred thousand frames take seconds.
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

function frame({ opcode, payload = '', isFinal = true, isMasked = true, reserved = 0 }: Frame): Buffer {
  const bytes = Buffer.from(payload)
  const length =
    bytes.length < 126 ? [bytes.length] : bytes.length < 65_536 ? [126, bytes.length >> 8, bytes.length & 255] : [127]
  const wide = Buffer.alloc(bytes.length < 65_536 ? 0 : 8)
  if (wide.length > 0) wide.writeBigUInt64BE(BigInt(bytes.length))
  const head = [
    (isFinal ? 0x80 : 0) | (reserved << 4) | opcode,
    (isMasked ? 0x80 : 0) | (length[0] as number),
    ...length.slice(1),
  ]
  if (!isMasked) return Buffer.concat([Buffer.from(head), wide, bytes])
  return Buffer.concat([Buffer.from(head), wide, MASK, bytes.map((byte, i) => byte ^ (MASK[i % 4] as number))])
}

export interface RawSocket extends Disposable {
  readonly tcp: Socket
  /** The answer to the handshake, as text. */
  readonly answer: string
  send(...frames: Frame[]): void
  /** The payload of the next frame with this opcode; rejects if the connection ends before. */
  next(opcode: number): Promise<Buffer>
  /** The code of the server's close frame; undefined if the connection ended without one. */
  readonly closed: Promise<number | undefined>
}

/** A WebSocket without a client library, which can send any bytes. */
export async function openRaw(url: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const { hostname, port, host } = new URL(url)
  const tcp = connect(Number(port), hostname)
  tcp.setNoDelay()
  tcp.on('error', () => {})
  const all = {
    Host: host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    'Sec-WebSocket-Protocol': 'graphql-transport-ws',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  tcp.write(`GET /graphql HTTP/1.1\r\n${lines.join('')}\r\n`)
  let pending = Buffer.alloc(0)
  const frames: { opcode: number; payload: Buffer }[] = []
  const waiting = new Set<() => void>()
  let answer: string | undefined
  const answered = new Promise<void>(resolve => {
    tcp.on('close', () => resolve())
    tcp.on('data', part => {
      pending = Buffer.concat([pending, part])
      if (answer === undefined) {
        const end = pending.indexOf('\r\n\r\n')
        if (end < 0) return
        answer = pending.toString('latin1', 0, end)
        pending = pending.subarray(end + 4)
        resolve()
      }
      for (let read = readFrame(pending); read; read = readFrame(pending)) {
        frames.push(read)
        pending = pending.subarray(read.length)
      }
      for (const look of waiting) look()
    })
  })
  const gone = new Promise<void>(resolve => tcp.on('close', () => resolve()))
  const arrived = (opcode: number) =>
    new Promise<Buffer>(resolve => {
      const look = () => {
        const at = frames.findIndex(received => received.opcode === opcode)
        if (at < 0) return
        waiting.delete(look)
        resolve((frames.splice(at, 1)[0] as { payload: Buffer }).payload)
      }
      waiting.add(look)
      look()
    })
  const closed = Promise.race([arrived(OPCODE.close).then(payload => payload.readUInt16BE()), gone.then(() => undefined)])
  const ended = closed.then(code => {
    throw new Error(`The socket was closed with ${code}.`)
  })
  ended.catch(() => {})
  await answered
  return {
    tcp,
    answer: answer ?? '',
    send: (...sent) => void tcp.write(Buffer.concat(sent.map(frame))),
    next: opcode => Promise.race([arrived(opcode), ended]),
    closed,
    [Symbol.dispose]: () => void tcp.destroy(),
  }
}

function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | undefined {
  if (bytes.length < 2) return undefined
  const short = (bytes[1] as number) & 0x7f
  const head = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < head) return undefined
  const size = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < head + size) return undefined
  return { opcode: (bytes[0] as number) & 0x0f, payload: bytes.subarray(head, head + size), length: head + size }
}
