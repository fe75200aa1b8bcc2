import type { Redis } from 'ioredis'
import { LeasedLimiter } from './leasedLimiter.js'
import { type PointsOptions, RedisPoints } from './redisPoints.js'
import { RedisTrust } from './redisTrust.js'

/** Undefined for a limit of zero, which means no limit. */
export type CreateLimiter = (options: PointsOptions) => LeasedLimiter | undefined

/** Limiters that all replicas share; without Redis, limiters of this process alone. */
export function limitersOver(redis: Redis | undefined): CreateLimiter {
  // Nothing to catch up: each limiter reports with its next lease the points that it let through during the outage.
  const trust = redis && new RedisTrust(redis, async () => {})
  return options => {
    if (options.limit === 0) return undefined
    return new LeasedLimiter({ ...options, ...(trust && { shared: new RedisPoints(redis, trust, options) }) })
  }
}
