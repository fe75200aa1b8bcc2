import type { ServerResponse } from 'node:http'
import type { GraphQLFormattedError } from 'graphql'
import { SendQueue, type Wire } from './sendQueue.js'
import type { WriteRounds } from './writeRounds.js'

// Proxies close what is silent for a minute, some for half of one.
const KEEP_ALIVE_MS = 12_000
// For a client that has not read all of it.
const END_GRACE_MS = 5_000
const COMMENT = ':\n\n'
// The empty data: without it browsers' EventSource passes the event by.
const COMPLETE = 'event: complete\ndata:\n\n'
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx would gather what is to go on at once.
  'x-accel-buffering': 'no',
}

export interface EventStreamOptions {
  readonly response: ServerResponse
  readonly headers: Readonly<Record<string, number | string | string[] | undefined>>
  readonly rounds: WriteRounds
}

/** One response of server-sent events, in the form of graphql-sse's distinct connections. */
export class EventStream {
  /** Its client did not read. */
  isStalled = false
  /** Resolves when it is over, whoever has ended it. */
  readonly closed: Promise<void>
  readonly #response: ServerResponse
  readonly #sendQueue: SendQueue

  constructor({ response, headers, rounds }: EventStreamOptions) {
    this.#response = response
    const stalled = () => {
      this.isStalled = true
      response.destroy()
    }
    this.#sendQueue = new SendQueue({ wire: wireOf(response), rounds, stalled })
    response.writeHead(200, { ...headers, ...HEADERS })
    // Some browsers take a response for open when its first byte is there.
    this.#sendQueue.push(COMMENT)
    const timer = setInterval(() => this.#sendQueue.push(COMMENT), KEEP_ALIVE_MS).unref()
    // A client that has gone is no failure of ours: `close` follows.
    response.on('error', () => {})
    // Of one that is closed already, no event tells it again.
    this.closed = response.closed ? Promise.resolve() : new Promise(resolve => response.once('close', resolve))
    this.closed.then(() => {
      clearInterval(timer)
      this.#sendQueue.close()
    })
  }

  /** Sends the JSON of a result. What it answers, where it does, resolves when the next may come. */
  push(json: string): Promise<void> | undefined {
    return this.#sendQueue.push(`event: next\ndata: ${json}\n\n`)
  }

  /** Nothing follows, and the client knows it. */
  complete(errors?: readonly GraphQLFormattedError[]): void {
    if (this.#response.writableEnded || this.#response.destroyed) return
    if (errors) this.push(JSON.stringify({ errors }))
    this.#sendQueue.push(COMPLETE)
    this.#sendQueue.end()
    this.#response.end()
    const timer = setTimeout(() => this.#response.destroy(), END_GRACE_MS).unref()
    this.closed.then(() => clearTimeout(timer))
  }

  /** Ends in the middle: clients connect again. A response that ends well without `complete` would leave some of them waiting. */
  cut(): void {
    this.#sendQueue.end()
    this.#response.socket?.destroySoon()
  }
}

function wireOf(response: ServerResponse): Wire {
  return {
    write(texts, left) {
      if (response.destroyed || response.writableEnded) return
      response.write(texts.join(''), error => {
        if (!error) left()
      })
    },
    get isBacklogged() {
      return response.writableLength > 0
    },
  }
}
