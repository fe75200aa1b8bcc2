// Many alert subscribers in one process. It speaks WebSocket over bare sockets, because the work of a library for each message would
// disturb the measurement. It records when each message came, and parses only the messages of the first subscriber.
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

const DOCUMENT = `subscription Watch($after: String) {
  highRiskScored(after: $after) { raisedAt cursor id prediction { id applicantId probability band modelVersion { version } } }
}`
const OPENING_AT_ONCE = 50

class Subscriber {
  /** The arrival time of each alert, in milliseconds since 1970. */
  times = []
  bytes = 0
  last
  #socket
  #rest = Buffer.alloc(0)
  #onFrame

  async open({ url, token, after }) {
    const { hostname, port } = new URL(url)
    this.#socket = connect(Number(port), hostname).setNoDelay(true)
    await once(this.#socket, 'connect')
    this.#socket.write(
      [
        'GET /graphql HTTP/1.1',
        'host: bench',
        'connection: upgrade',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        `sec-websocket-key: ${randomBytes(16).toString('base64')}`,
        'sec-websocket-protocol: graphql-transport-ws',
        '\r\n',
      ].join('\r\n'),
    )
    const [answer] = await once(this.#socket, 'data')
    if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`no WebSocket: ${String(answer).slice(0, 80)}`)
    const acknowledged = new Promise(resolve => {
      this.#onFrame = resolve
    })
    this.#socket.on('data', chunk => this.#take(chunk))
    this.#send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    await acknowledged
    this.#onFrame = undefined
    this.#send({ id: randomUUID(), type: 'subscribe', payload: { query: DOCUMENT, variables: { after } } })
  }

  close() {
    this.#socket.destroy()
  }

  #send(message) {
    this.#socket.write(frame(0x81, Buffer.from(JSON.stringify(message))))
  }

  #take(chunk) {
    const now = performance.timeOrigin + performance.now()
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    this.bytes += chunk.length
    let at = 0
    for (;;) {
      if (data.length < at + 2) break
      const short = data[at + 1]
      const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
      if (data.length < start) break
      const length = short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2))
      if (data.length < start + length) break
      this.#frame(data[at], data.subarray(start, start + length), now)
      at = start + length
    }
    this.#rest = data.subarray(at)
  }

  #frame(opcode, payload, now) {
    if (opcode === 0x89) return this.#socket.write(frame(0x8a, payload))
    if (opcode !== 0x81) throw new Error(`the gateway sent ${String(payload)}`)
    if (this.#onFrame) return this.#onFrame(payload)
    this.times.push(now)
    this.last = payload
    this.onAlert?.(payload)
  }
}

/** A client's frame, which must be masked; the mask here is zero. */
function frame(opcode, payload) {
  const head = payload.length < 126 ? [opcode, 0x80 | payload.length] : [opcode, 0xfe, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}

let subscribers = []
const raised = []

async function open({ count, ...target }) {
  subscribers = Array.from({ length: count }, () => new Subscriber())
  subscribers[0].onAlert = payload => raised.push(JSON.parse(String(payload)).payload.data.highRiskScored)
  for (let i = 0; i < count; i += OPENING_AT_ONCE) {
    await Promise.all(subscribers.slice(i, i + OPENING_AT_ONCE).map(subscriber => subscriber.open(target)))
  }
}

/** Waits until no more messages come: 2 s if every subscriber has all `count` stored alerts, otherwise 10 s. */
async function received(count) {
  const total = () => subscribers.reduce((sum, { times }) => sum + times.length, 0)
  const patience = () => (subscribers.every(({ times }) => times.length >= count) ? 2 : 10)
  for (let [before, idleSeconds] = [total(), 0]; idleSeconds < patience(); ) {
    await new Promise(resolve => setTimeout(resolve, 1_000))
    const now = total()
    ;[before, idleSeconds] = [now, now === before ? idleSeconds + 1 : 0]
  }
}

/** Latencies are from raisedAt to the arrival. raisedAt is set before the row is written, so they include the write. */
function report(ids) {
  const first = subscribers[0]
  const raisedAt = raised.map(alert => Date.parse(alert.raisedAt))
  const latencies = Float64Array.from(subscribers.flatMap(({ times }) => times.map((time, i) => time - raisedAt[i]))).sort()
  const at = share => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]
  const payloadOf = ({ last }) => String(last).slice(String(last).indexOf('"payload"'))
  return {
    messages: latencies.length,
    lost: subscribers.reduce((sum, { times }) => sum + raised.length - times.length, 0),
    inOrder: raised.every(({ cursor }, i) => i === 0 || cursor > raised[i - 1].cursor),
    isComplete: ids.every(id => raised.some(alert => alert.id === id)),
    isSame: subscribers.every(subscriber => payloadOf(subscriber) === payloadOf(first)),
    bytes: subscribers.reduce((sum, { bytes }) => sum + bytes, 0),
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
  }
}

process.on('message', async order => {
  if (typeof order === 'string') return
  try {
    if (order.open) await open(order.open)
    if (order.report) await received(order.report.length)
    process.send({ result: order.report ? report(order.report) : 'open' })
  } catch (error) {
    process.send({ failure: error.message })
  }
})
