import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { inTime } from './inTime.js'
import type { RedisLink } from './redisLink.js'
import type { RedisTrust } from './redisTrust.js'
import type { Counted, SharedPoints } from './sharedPoints.js'

const PREFIX = 'riskgate:limit'
const PROBE_SECONDS = 1

export interface PointsOptions {
  /** Names what is counted; part of the keys. */
  readonly name: string
  readonly limit: number
  readonly windowSeconds: number
}

/** Points that all replicas count together. A window begins with its first point. No key holds a name or an address. */
export class RedisPoints implements SharedPoints {
  readonly #limiter: () => RateLimiterRedis
  readonly #trust: RedisTrust

  constructor(link: RedisLink, trust: RedisTrust, options: PointsOptions) {
    this.#limiter = limiterOver(link, options)
    this.#trust = trust
  }

  get answers(): boolean {
    return this.#trust.answers
  }

  /** Undefined when Redis did not count them. */
  async add(digest: string, points: number): Promise<Counted | undefined> {
    const limiter = this.#limiter()
    try {
      // Not `consume`, which refuses past the limit: a lease takes the points that are left.
      const { consumedPoints, msBeforeNext } = await inTime(limiter.penalty(digest, points))
      return { total: consumedPoints, endsInMs: Math.max(0, msBeforeNext) }
    } catch (error) {
      this.#trust.lose(error, limiter.getKey(digest))
      return undefined
    }
  }
}

/** Counts nothing, at a key that belongs to the same part of a cluster as the one that was refused. */
export function probePoints(link: RedisLink): (refusedKey: string | undefined) => Promise<unknown> {
  const limiter = limiterOver(link, { name: 'probe', limit: 1, windowSeconds: PROBE_SECONDS })
  return async (refusedKey = 'any') => inTime(limiter().penalty(`{${refusedKey}}`, 0))
}

/** A limiter over the client that the link has at the moment. */
function limiterOver(link: RedisLink, { name, limit, windowSeconds }: PointsOptions): () => RateLimiterRedis {
  let made: { readonly client: Redis | Cluster; readonly limiter: RateLimiterRedis } | undefined
  return () => {
    const { client } = link
    if (made?.client !== client) {
      const options = { storeClient: client, keyPrefix: `${PREFIX}:${name}`, points: limit, duration: windowSeconds }
      made = { client, limiter: new RateLimiterRedis(options) }
    }
    return made.limiter
  }
}

export function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
