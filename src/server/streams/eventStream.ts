import type { ServerResponse } from 'node:http'
import type { GraphQLFormattedError } from 'graphql'
import { SendQueue, type Wire } from './sendQueue.js'
import type { WriteRounds } from './writeRounds.js'

// Proxies close connections that are silent for a minute, some after half a minute.
const KEEP_ALIVE_MS = 12_000
// The time for a client to read the rest.
const END_GRACE_MS = 5_000
const COMMENT = ':\n\n'
// Without the empty data, a browser's EventSource ignores the event.
const COMPLETE = 'event: complete\ndata:\n\n'
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Without this, nginx buffers events that must go out at once.
  'x-accel-buffering': 'no',
}

export interface EventStreamOptions {
  readonly response: ServerResponse
  readonly headers: Readonly<Record<string, number | string | string[] | undefined>>
  readonly rounds: WriteRounds
}

/** One response of server-sent events, in graphql-sse's mode of distinct connections. */
export class EventStream {
  /** Whether it was cut because its client did not read. */
  isStalled = false
  /** Resolves when the stream is over, whichever side ended it. */
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
    // Some browsers treat a response as open only once its first byte is there.
    this.#sendQueue.push(COMMENT)
    const timer = setInterval(() => this.#sendQueue.push(COMMENT), KEEP_ALIVE_MS).unref()
    // A client that disconnects is no failure of ours: `close` follows.
    response.on('error', () => {})
    // A response that is closed already emits no further event.
    this.closed = response.closed ? Promise.resolve() : new Promise(resolve => response.once('close', resolve))
    this.closed.then(() => {
      clearInterval(timer)
      this.#sendQueue.close()
    })
  }

  /** Sends the JSON of a result. Where it returns a promise, that resolves when the next result may come. */
  push(json: string): Promise<void> | undefined {
    return this.#sendQueue.push(`event: next\ndata: ${json}\n\n`)
  }

  /** Ends the stream, and tells the client that nothing follows. */
  complete(errors?: readonly GraphQLFormattedError[]): void {
    if (this.#response.writableEnded || this.#response.destroyed) return
    if (errors) this.push(JSON.stringify({ errors }))
    this.#sendQueue.push(COMPLETE)
    this.#sendQueue.end()
    this.#response.end()
    const timer = setTimeout(() => this.#response.destroy(), END_GRACE_MS).unref()
    this.closed.then(() => clearTimeout(timer))
  }

  /**
   * Breaks the connection, so that clients connect again. A response that ends properly without `complete` would leave some of
   * them waiting.
   */
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
