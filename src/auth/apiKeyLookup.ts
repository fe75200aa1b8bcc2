import { Batcher } from '../concurrency/batcher.js'
import { AppError } from '../errors.js'
import type { ApiKeySource, StoredApiKey } from './apiKeySource.js'

// A statement of some milliseconds: a flood of invented keys may repeat it for as long as the flood lasts.
const IDS_A_STATEMENT = 500
// Twenty statements: a caller behind more of them would wait too long.
const MOST_WAITING = 10_000
const LONGEST_WAIT_MS = 1_000

export interface FoundApiKey {
  /** Undefined when there is no such key, or it was revoked. */
  readonly key: StoredApiKey | undefined
  /** Just before the source was asked, on the clock of `performance`. */
  readonly askedAt: number
}

/** Looks keys up by their ids, one statement at a time: calls that arrive during one share the next. Remembers nothing. */
export class ApiKeyLookup {
  readonly #source: Pick<ApiKeySource, 'find'>
  readonly #batcher = new Batcher<string, FoundApiKey>(ids => this.#ask(ids), {
    maxItems: IDS_A_STATEMENT,
    maxRunning: 1,
    waitLimit: { longestWaitMs: LONGEST_WAIT_MS, tooLong: tooManyWait },
  })
  /** Lookups that wait for the next statement, by id. */
  readonly #waiting = new Map<string, Promise<FoundApiKey>>()

  constructor(source: Pick<ApiKeySource, 'find'>) {
    this.#source = source
  }

  /** Looks a key up; the source is asked after this call. @throws AppError SERVICE_UNAVAILABLE */
  find(id: string): Promise<FoundApiKey> {
    const waiting = this.#waiting.get(id)
    if (waiting) return waiting
    if (this.#waiting.size >= MOST_WAITING) {
      return Promise.reject(tooManyWait())
    }
    const answer = this.#batcher.submit(id)
    this.#waiting.set(id, answer)
    // The next call for the same key must not get the error of one that has waited too long.
    answer.catch(() => {
      if (this.#waiting.get(id) === answer) this.#waiting.delete(id)
    })
    return answer
  }

  async #ask(ids: readonly string[]): Promise<FoundApiKey[]> {
    for (const id of ids) this.#waiting.delete(id)
    const askedAt = performance.now()
    try {
      const found = new Map((await this.#source.find(ids)).map(key => [key.id, key]))
      return ids.map(id => ({ key: found.get(id), askedAt }))
    } catch (error) {
      // The waiting calls would miss the same deadline, one after the other.
      this.#waiting.clear()
      this.#batcher.giveUp(error)
      throw error
    }
  }
}

function tooManyWait(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'Too many API keys wait to be checked. Try again shortly.')
}
