import { WebSocket } from 'ws'
import { oneOf, type Random } from '../support/random.js'
import type { Latencies } from './latencies.js'
import { between } from './random.js'
import { Receipts } from './receipts.js'

const PROTOCOL = 'graphql-transport-ws'
const QUERY = 'subscription ($after: String) { highRiskScored(after: $after) { id cursor raisedAt } }'
const HANDSHAKE_TIMEOUT_MS = 3_000
const PAUSE_MS = [20, 400] as const
// Some clients save their cursor only now and then. They resume from an older one, and get some alerts again.
const SHARE_OF_OLDER_CURSORS = 0.2
const REMEMBERED_CURSORS = 20

interface Message {
  readonly type: string
  readonly payload?: {
    readonly data?: { readonly highRiskScored: { id: string; cursor: string; raisedAt: string } } | null
    readonly errors?: readonly { readonly extensions?: { readonly retryable?: boolean } }[]
  }
}

export interface SubscriberOptions {
  readonly name: string
  /** The gateways to choose from, as ws:// addresses. */
  readonly urls: readonly string[]
  readonly token: string
  /** The certificate of the gateways' proxy, where the addresses are wss:// ones. */
  readonly ca?: string
  readonly random: Random
  readonly latencies: Latencies
  /** Called with errors that connecting again cannot fix. */
  readonly failed: (error: Error) => void
}

/**
 * A monitoring client: one socket, its own cursor, and a new connection from that cursor after every cut. It speaks the protocol
 * itself, because a client library might repair or hide mistakes of the gateway.
 */
export class Subscriber {
  readonly receipts = new Receipts()
  /** The codes that ended subscriptions, except for the client's own cuts. */
  readonly closeCodes: number[] = []
  readonly #options: SubscriberOptions
  readonly #cursors: string[] = []
  #socket: WebSocket | undefined
  #timer: NodeJS.Timeout | undefined
  #url: string
  #isStopped = false
  /** When the current subscription was requested; undefined while there is none. */
  #subscribedAt: number | undefined

  constructor(options: SubscriberOptions, url: string) {
    this.#options = options
    this.#url = url
  }

  get name(): string {
    return this.#options.name
  }

  get isConnected(): boolean {
    return this.#subscribedAt !== undefined
  }

  start(cursor: string): void {
    this.#cursors.push(cursor)
    this.#connect()
  }

  /** Destroys the socket without a goodbye. */
  cut(): void {
    this.#subscribedAt = undefined
    this.#socket?.terminate()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#socket?.terminate()
  }

  #connect(): void {
    const { ca } = this.#options
    const options = { handshakeTimeout: HANDSHAKE_TIMEOUT_MS, perMessageDeflate: false, ca }
    const socket = new WebSocket(this.#url, PROTOCOL, options)
    this.#socket = socket
    const send = (message: object) => socket.send(JSON.stringify(message))
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${this.#options.token}` } }))
    socket.on('message', data => {
      // Data that a socket still held when it was cut has not reached the client.
      if (socket.readyState === WebSocket.OPEN) this.#receive(JSON.parse(String(data)) as Message, send)
    })
    // The close event that follows an error is handled.
    socket.on('error', () => {})
    socket.on('close', code => this.#connectAgain(code))
  }

  #connectAgain(code: number): void {
    if (this.isConnected) this.closeCodes.push(code)
    this.#subscribedAt = undefined
    if (this.#isStopped) return
    const { random, urls } = this.#options
    this.#url = oneOf(random, urls)
    this.#timer = setTimeout(() => this.#connect(), between(random, ...PAUSE_MS))
  }

  #receive({ type, payload }: Message, send: (message: object) => void): void {
    if (type === 'next' && payload?.data) this.#take(payload.data.highRiskScored)
    else if (type === 'connection_ack') this.#subscribe(send)
    else if (type === 'ping') send({ type: 'pong' })
    // The gateway ends the subscription when it shuts down, or when it cannot read the cursor at the moment.
    else if (type === 'complete' || payload?.errors?.every(({ extensions }) => extensions?.retryable)) this.cut()
    else this.#options.failed(new Error(`${this.name} received an unexpected ${type}: ${JSON.stringify(payload)}`))
  }

  #subscribe(send: (message: object) => void): void {
    const after = this.#resumePoint()
    this.receipts.begin(after)
    this.#subscribedAt = Date.now()
    send({ id: '1', type: 'subscribe', payload: { query: QUERY, variables: { after } } })
  }

  #take({ id, cursor, raisedAt }: { id: string; cursor: string; raisedAt: string }): void {
    const receivedAt = Date.now()
    if (this.receipts.take({ id, cursor }) !== 'new') return
    this.#cursors.push(cursor)
    if (this.#cursors.length > REMEMBERED_CURSORS) this.#cursors.shift()
    const raised = Date.parse(raisedAt)
    this.#options.latencies.add(raised, receivedAt, raised >= (this.#subscribedAt ?? 0))
  }

  #resumePoint(): string {
    const { random } = this.#options
    const isOlder = random() < SHARE_OF_OLDER_CURSORS
    return isOlder ? oneOf(random, this.#cursors) : (this.#cursors.at(-1) ?? '')
  }
}
