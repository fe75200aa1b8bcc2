import type { Principal } from '../../auth/principal.js'
import { keyOf, type ObserveLimited } from './operationLimits.js'
import { RateLimitedError } from './quota.js'

// Nobody knows when a stream will end, and a client that retries this often costs almost nothing.
const RETRY_SECONDS = 5
// The text of a request is kept as long as its stream: thousands of requests of 64 KiB would fill the memory.
const CHARACTERS_A_STREAM = 2_048

/** How many subscriptions each principal has open on this replica, whatever their transport. */
export class StreamLimit {
  readonly #limit: number
  readonly #limited: ObserveLimited
  readonly #open = new Map<string, number>()

  constructor(limit: number, limited: ObserveLimited) {
    this.#limit = limit
    this.#limited = limited
  }

  /**
   * Counts one more stream, or several where its request has that many characters. Returns a function that ends it, which may be
   * called twice.
   * @throws RateLimitedError
   */
  open(principal: Principal, characters: number): () => void {
    const key = keyOf(principal)
    const open = this.#open.get(key) ?? 0
    const weight = Math.min(this.#limit, Math.ceil(characters / CHARACTERS_A_STREAM))
    if (open + weight > this.#limit) {
      this.#limited('streams')
      throw new RateLimitedError(
        `This client has reached its limit of open subscriptions (${this.#limit}): complete one first.`,
        {
          limit: this.#limit,
          remaining: 0,
          resetSeconds: RETRY_SECONDS,
        },
      )
    }
    this.#open.set(key, open + weight)
    let isOpen = true
    return () => {
      if (isOpen) this.#close(key, weight)
      isOpen = false
    }
  }

  #close(key: string, weight: number): void {
    const left = (this.#open.get(key) ?? 0) - weight
    if (left > 0) this.#open.set(key, left)
    else this.#open.delete(key)
  }
}
