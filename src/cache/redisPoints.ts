import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { RedisTrust } from './redisTrust.js'
import type { Counted, SharedPoints } from './sharedPoints.js'

export interface PointsOptions {
  /** Names what is counted; part of the keys. */
  readonly name: string
  readonly limit: number
  readonly windowSeconds: number
}

/** Points that all replicas count together. A window begins with its first point. No key holds a name or an address. */
export class RedisPoints implements SharedPoints {
  readonly #limiter: RateLimiterRedis
  readonly #trust: RedisTrust

  constructor(redis: Redis, trust: RedisTrust, { name, limit, windowSeconds }: PointsOptions) {
    this.#limiter = new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: `riskgate:limit:${name}`,
      points: limit,
      duration: windowSeconds,
    })
    this.#trust = trust
  }

  get answers(): boolean {
    return this.#trust.answers
  }

  /** Undefined when Redis did not count them. */
  async add(digest: string, points: number): Promise<Counted | undefined> {
    try {
      // Not `consume`, which refuses past the limit: a lease takes the points that are left.
      const { consumedPoints, msBeforeNext } = await this.#limiter.penalty(digest, points)
      return { total: consumedPoints, endsInMs: Math.max(0, msBeforeNext) }
    } catch {
      this.#trust.lose()
      return undefined
    }
  }
}

export function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
