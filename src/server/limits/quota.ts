import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'

/** The state of the limit that a caller will reach first. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetSeconds: number
}

/**
 * Charges an operation its points (operations and rows) before it is executed, whatever way it came. A document that is not known
 * yet costs a point before it is parsed, so that invalid documents are not free; the rest is charged once its cost is known.
 * Returns the quota that is left, or undefined where there is no limit.
 * @throws RateLimitedError
 */
export type ChargePoints = (principal: Principal, points: number) => Quota | undefined | Promise<Quota | undefined>

export class RateLimitedError extends AppError {
  readonly quota: Quota

  constructor(message: string, quota: Quota) {
    super('RATE_LIMITED', message)
    this.quota = quota
  }
}

/** The rate limit headers of an answer. */
export function quotaHeaders({ limit, remaining, resetSeconds }: Quota): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetSeconds),
  }
}

/** The rate limit headers of a refusal. */
export function refusalHeaders({ quota }: RateLimitedError): Record<string, string> {
  return { ...quotaHeaders(quota), 'retry-after': String(quota.resetSeconds) }
}
