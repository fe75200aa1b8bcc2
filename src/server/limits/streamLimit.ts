import type { Principal } from '../../auth/principal.js'
import { RateLimitedError } from './admission.js'
import { keyOf, type ObserveLimited } from './operationLimits.js'

// Nobody knows when a stream ends; a client that asks again this often costs nothing.
const RETRY_SECONDS = 5

/** How many subscriptions each principal has open on this replica, whatever their transport. */
export class StreamLimit {
  readonly #limit: number
  readonly #limited: ObserveLimited
  readonly #open = new Map<string, number>()

  constructor(limit: number, limited: ObserveLimited) {
    this.#limit = limit
    this.#limited = limited
  }

  /** Counts one more; answers how to end it, which may be called twice. @throws RateLimitedError */
  open(principal: Principal): () => void {
    const key = keyOf(principal)
    const open = this.#open.get(key) ?? 0
    if (open >= this.#limit) {
      this.#limited('streams')
      throw new RateLimitedError(`This client has as many subscriptions open as it may (${this.#limit}): complete one first.`, {
        limit: this.#limit,
        remaining: 0,
        resetSeconds: RETRY_SECONDS,
      })
    }
    this.#open.set(key, open + 1)
    let isOpen = true
    return () => {
      if (isOpen) this.#close(key)
      isOpen = false
    }
  }

  #close(key: string): void {
    const left = (this.#open.get(key) ?? 0) - 1
    if (left > 0) this.#open.set(key, left)
    else this.#open.delete(key)
  }
}
