import { codeOf, commandOf, listedCodeOf, type REFUSAL_CODES } from './redisRefusals.js'
import type { UseReports } from './redisTrust.js'

/** What Redis is used for, as logs and metrics name it. */
export const REDIS_USES = ['limits', 'latest predictions', 'hints sent', 'hints received'] as const
export type RedisUse = (typeof REDIS_USES)[number]
export type RefusalCode = (typeof REFUSAL_CODES)[number]

export interface Refusal {
  readonly use: RedisUse
  readonly code: string
  readonly listedCode: RefusalCode
  /** Absent where no single command was refused. */
  readonly command: string | undefined
}

export interface RedisUsesOptions {
  /** Called once when Redis refuses a use. */
  readonly refused: (refusal: Refusal) => void
  /** Called once when it serves that use again. */
  readonly servedAgain: (use: RedisUse) => void
}

/** Which uses a Redis refuses although it can be reached: each is told once, and once more when it is over. */
export class RedisUses {
  readonly #refused = new Set<RedisUse>()
  readonly #options: RedisUsesOptions

  constructor(options: RedisUsesOptions) {
    this.#options = options
  }

  isRefused(use: RedisUse): boolean {
    return this.#refused.has(use)
  }

  of(use: RedisUse): UseReports {
    return {
      refused: error => {
        if (this.#refused.has(use)) return
        this.#refused.add(use)
        this.#options.refused({ use, code: codeOf(error), listedCode: listedCodeOf(error), command: commandOf(error) })
      },
      works: () => {
        if (this.#refused.delete(use)) this.#options.servedAgain(use)
      },
    }
  }
}
