import { LeasedLimiter } from './leasedLimiter.js'
import type { RedisLink } from './redisLink.js'
import { type PointsOptions, probePoints, RedisPoints } from './redisPoints.js'
import { RedisTrust, type UseReports } from './redisTrust.js'

/** Undefined for a limit of zero, which means no limit. */
export type CreateLimiter = (options: PointsOptions) => LeasedLimiter | undefined

/** Limiters of this process alone. */
export const limitersOfProcess: CreateLimiter = options => (options.limit === 0 ? undefined : new LeasedLimiter(options))

/** Limiters that all replicas share. */
export function limitersOver(
  link: RedisLink,
  reports: UseReports,
): { readonly trust: RedisTrust; readonly create: CreateLimiter } {
  // Nothing to catch up: each limiter reports with its next lease the points that it let through during the outage.
  const trust = new RedisTrust(link, { probe: probePoints(link), catchUp: async () => {}, reports })
  return {
    trust,
    create: options => {
      if (options.limit === 0) return undefined
      return new LeasedLimiter({ ...options, shared: new RedisPoints(link, trust, options) })
    },
  }
}
