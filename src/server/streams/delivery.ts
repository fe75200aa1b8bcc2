import type { Payload, SharedOperation } from './sharedOperations.js'

/** Sends a payload. Where it returns a promise, the next event is taken only once that resolves. */
export type Send = (payload: Payload) => Promise<void> | undefined

export interface DeliveryOptions {
  readonly source: AsyncIterable<object>
  readonly operation: SharedOperation
  readonly send: Send
  /** Called once, at the end. */
  readonly ended: () => void
}

type Done = IteratorReturnResult<void>
const DONE: Done = { done: true, value: undefined }

/**
 * Carries one subscriber's events from the feed to its socket. It has the shape of a stream without values: the first `next`
 * starts it and resolves when it ends. graphql-ws waits for that, and spends nothing on single events.
 */
export class Delivery implements AsyncGenerator<never, void, undefined> {
  readonly #options: DeliveryOptions
  readonly #events: AsyncIterator<object>
  #isEnded = false

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#events = options.source[Symbol.asyncIterator]()
  }

  async next(): Promise<Done> {
    const { operation, send } = this.#options
    try {
      while (!this.#isEnded) {
        const { done, value } = await this.#events.next()
        if (done) break
        const payload = await operation.payloadOf(value)
        // It may have ended meanwhile: its client expects nothing more.
        if (this.#isEnded) break
        const left = send(payload)
        if (left) await left
      }
    } finally {
      await this.return()
    }
    return DONE
  }

  async return(): Promise<Done> {
    if (!this.#isEnded) {
      this.#isEnded = true
      this.#options.ended()
      await this.#events.return?.()
    }
    return DONE
  }

  async throw(error: unknown): Promise<never> {
    await this.return()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
