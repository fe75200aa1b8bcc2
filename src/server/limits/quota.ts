import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'

/** How a caller stands with the limit that it will meet first. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetSeconds: number
}

/**
 * Asked before each operation is executed, whatever way it came, for its points: operations and rows. Who sends what is not known
 * yet pays a point before it is read, so that invalid documents are not free, and the rest once that is known. Answers what is
 * left, or nothing where there is no limit.
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

/** The headers of an answer. */
export function quotaHeaders({ limit, remaining, resetSeconds }: Quota): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetSeconds),
  }
}

/** The headers of a refusal. */
export function refusalHeaders({ quota }: RateLimitedError): Record<string, string> {
  return { ...quotaHeaders(quota), 'retry-after': String(quota.resetSeconds) }
}
