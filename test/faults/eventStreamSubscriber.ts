import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { Random } from '../support/random.js'
import { between } from './random.js'
import { Receipts } from './receipts.js'

const QUERY = 'subscription ($after: String) { highRiskScored(after: $after) { id cursor } }'
const PAUSE_MS = [20, 400] as const

export interface EventStreamOptions {
  readonly name: string
  readonly url: string
  readonly ca: string
  readonly token: string
  readonly random: Random
  /** Called with errors that connecting again cannot fix. */
  readonly failed: (error: Error) => void
}

/** A monitoring client over server-sent events: it connects again from its newest cursor whenever its stream breaks. */
export class EventStreamSubscriber {
  readonly receipts = new Receipts()
  readonly #options: EventStreamOptions
  #request: ClientRequest | undefined
  #timer: NodeJS.Timeout | undefined
  #cursor = ''
  #isStopped = false
  isConnected = false

  constructor(options: EventStreamOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  start(cursor: string): void {
    this.#cursor = cursor
    this.#connect()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#request?.destroy()
  }

  #connect(): void {
    const { url, ca, token } = this.#options
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'text/event-stream' }
    const sent = request(`${url}/graphql/stream`, { method: 'POST', agent: false, ca, headers })
    this.#request = sent
    sent.on('response', response => this.#listen(response))
    // `close` follows.
    sent.on('error', () => {})
    sent.once('close', () => this.#connectAgain())
    sent.end(JSON.stringify({ query: QUERY, variables: { after: this.#cursor } }))
  }

  #connectAgain(): void {
    this.isConnected = false
    if (this.#isStopped) return
    this.#timer = setTimeout(() => this.#connect(), between(this.#options.random, ...PAUSE_MS))
  }

  #listen(response: IncomingMessage): void {
    response.on('error', () => {})
    if (response.statusCode !== 200) {
      response.resume()
      if (response.statusCode !== 503) this.#fail(`got status ${response.statusCode}`)
      return
    }
    this.receipts.begin(this.#cursor)
    this.isConnected = true
    let waiting = ''
    response.setEncoding('utf8').on('data', (text: string) => {
      const events = (waiting + text).split('\n\n')
      waiting = events.pop() ?? ''
      for (const event of events) this.#take(event)
    })
  }

  #take(event: string): void {
    const [, json] = /^event: next\ndata: (.*)$/.exec(event) ?? []
    // A comment, which keeps the stream open.
    if (event === ':') return
    const { data } = (json ? JSON.parse(json) : {}) as { data?: { highRiskScored: { id: string; cursor: string } } }
    if (!data) this.#fail(`received an unexpected event: ${event}`)
    else if (this.receipts.take(data.highRiskScored) === 'new') this.#cursor = data.highRiskScored.cursor
  }

  #fail(what: string): void {
    this.#options.failed(new Error(`${this.name} ${what}`))
  }
}
