import type { Redis } from 'ioredis'
import { LeasedLimiter } from './leasedLimiter.js'
import { type PointsOptions, RedisPoints } from './redisPoints.js'
import { RedisTrust } from './redisTrust.js'

/** A limit of zero is none. */
export type CreateLimiter = (options: PointsOptions) => LeasedLimiter | undefined

/** Limiters that all replicas share; without Redis those of this process. */
export function limitersOver(redis: Redis | undefined): CreateLimiter {
  // What was let through meanwhile is told by each limiter, with its next lease.
  const trust = redis && new RedisTrust(redis, async () => {})
  return options => {
    if (options.limit === 0) return undefined
    return new LeasedLimiter({ ...options, ...(trust && { shared: new RedisPoints(redis, trust, options) }) })
  }
}
