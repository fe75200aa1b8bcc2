import { AppError } from '../errors.js'
import type { ApiKeySource, StoredApiKey } from './apiKeySource.js'

// A statement of some milliseconds, which a flood of invented keys may repeat as long as it lasts.
const IDS_A_STATEMENT = 500
// Twenty statements: whoever comes later would wait too long.
const MOST_WAITING = 10_000

export interface FoundApiKey {
  /** Undefined: there is none, or it was revoked. */
  readonly key: StoredApiKey | undefined
  /** Just before the source was asked, on the clock of `performance`. */
  readonly askedAt: number
}

interface Waiting {
  readonly answer: Promise<FoundApiKey>
  readonly resolve: (found: FoundApiKey) => void
  readonly reject: (error: unknown) => void
}

/** Looks keys up by their ids, one statement at a time: who comes meanwhile is gathered into the next. Remembers nothing. */
export class ApiKeyLookup {
  readonly #source: Pick<ApiKeySource, 'find'>
  readonly #waiting = new Map<string, Waiting>()
  #isAsking = false

  constructor(source: Pick<ApiKeySource, 'find'>) {
    this.#source = source
  }

  /** What the source says, asked after this call. @throws AppError SERVICE_UNAVAILABLE */
  find(id: string): Promise<FoundApiKey> {
    const waiting = this.#waiting.get(id)
    if (waiting) return waiting.answer
    if (this.#waiting.size >= MOST_WAITING) {
      return Promise.reject(new AppError('SERVICE_UNAVAILABLE', 'Too many API keys are looked up. Try again shortly.'))
    }
    let resolve!: Waiting['resolve']
    let reject!: Waiting['reject']
    const answer = new Promise<FoundApiKey>((...settle) => {
      ;[resolve, reject] = settle
    })
    this.#waiting.set(id, { answer, resolve, reject })
    if (!this.#isAsking) void this.#ask()
    return answer
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    while (this.#waiting.size > 0) {
      const asked = [...this.#waiting].slice(0, IDS_A_STATEMENT)
      for (const [id] of asked) this.#waiting.delete(id)
      try {
        const askedAt = performance.now()
        const found = new Map((await this.#source.find(asked.map(([id]) => id))).map(key => [key.id, key]))
        for (const [id, { resolve }] of asked) resolve({ key: found.get(id), askedAt })
      } catch (error) {
        for (const [, { reject }] of asked) reject(error)
        // They would wait for the same deadline one after the other.
        for (const { reject } of this.#waiting.values()) reject(error)
        this.#waiting.clear()
      }
    }
    this.#isAsking = false
  }
}
