import { Batcher } from '../concurrency/batcher.js'
import { AppError } from '../errors.js'
import type { ApiKeySource, StoredApiKey } from './apiKeySource.js'

// A statement of some milliseconds, which a flood of invented keys may repeat as long as it lasts.
const IDS_A_STATEMENT = 500
// Twenty statements: a caller behind more of them would wait too long.
const MOST_WAITING = 10_000

export interface FoundApiKey {
  /** Undefined: there is none, or it was revoked. */
  readonly key: StoredApiKey | undefined
  /** Just before the source was asked, on the clock of `performance`. */
  readonly askedAt: number
}

/** Looks keys up by their ids, one statement at a time: calls that come meanwhile share the next one. Remembers nothing. */
export class ApiKeyLookup {
  readonly #source: Pick<ApiKeySource, 'find'>
  readonly #batcher = new Batcher<string, FoundApiKey>(ids => this.#ask(ids), { maxItems: IDS_A_STATEMENT, maxRunning: 1 })
  /** Answers that the source has not been asked for yet, by id. */
  readonly #waiting = new Map<string, Promise<FoundApiKey>>()

  constructor(source: Pick<ApiKeySource, 'find'>) {
    this.#source = source
  }

  /** What the source says, asked after this call. @throws AppError SERVICE_UNAVAILABLE */
  find(id: string): Promise<FoundApiKey> {
    const waiting = this.#waiting.get(id)
    if (waiting) return waiting
    if (this.#waiting.size >= MOST_WAITING) {
      return Promise.reject(new AppError('SERVICE_UNAVAILABLE', 'Too many API keys are looked up. Try again shortly.'))
    }
    const answer = this.#batcher.submit(id)
    this.#waiting.set(id, answer)
    return answer
  }

  async #ask(ids: readonly string[]): Promise<FoundApiKey[]> {
    for (const id of ids) this.#waiting.delete(id)
    const askedAt = performance.now()
    try {
      const found = new Map((await this.#source.find(ids)).map(key => [key.id, key]))
      return ids.map(id => ({ key: found.get(id), askedAt }))
    } catch (error) {
      // The calls that wait would meet the same deadline one after the other.
      this.#waiting.clear()
      this.#batcher.giveUp(error)
      throw error
    }
  }
}
