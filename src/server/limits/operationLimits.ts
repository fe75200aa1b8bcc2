import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import type { PointLimiter, Taken } from './pointLimiter.js'
import { type ChargePoints, type Quota, RateLimitedError } from './quota.js'

/** Which limit was reached; `address` and `streams` are counted elsewhere. */
export const LIMIT_KINDS = ['principal', 'tenant', 'address', 'streams'] as const
export type LimitKind = (typeof LIMIT_KINDS)[number]
export type ObserveLimited = (kind: LimitKind) => void

export interface OperationLimits {
  /** Absent: no limit. */
  readonly principal?: PointLimiter | undefined
  readonly tenant?: PointLimiter | undefined
  readonly limited: ObserveLimited
}

/**
 * Limits the operations and rows of a principal and of its tenant. Points that one limit refuses do not count against the other.
 */
export function limitOperations({ principal: ofPrincipal, tenant: ofTenant, limited }: OperationLimits): ChargePoints {
  function chargeTenant({ tenant }: Principal, points: number): Quota | Promise<Quota> | undefined {
    const taken = ofTenant?.take(tenant, points)
    if (taken instanceof Promise) return taken.then(answer => charged('tenant', answer, points))
    return taken && charged('tenant', taken, points)
  }

  function charged(kind: 'principal' | 'tenant', taken: Taken, points: number): Quota {
    if (!taken.isRefused) return taken
    const { limit, resetSeconds } = taken
    const whose = kind === 'principal' ? 'this client' : 'the tenant of this client'
    if (points > limit) {
      const sentence = `The request has more operations and rows than ${whose} may send at once (${limit}): send it in parts.`
      throw new AppError('QUERY_TOO_COMPLEX', sentence)
    }
    limited(kind)
    throw new RateLimitedError(`The limit of ${whose} for operations and rows is reached: try again in ${resetSeconds} s.`, taken)
  }

  function chargeBoth(principal: Principal, points: number, own: Taken | undefined): Quota | Promise<Quota> | undefined {
    const giveBack = (error: unknown): never => {
      ofPrincipal?.giveBack(keyOf(principal), points)
      throw error
    }
    if (own) charged('principal', own, points)
    try {
      const shared = chargeTenant(principal, points)
      if (shared instanceof Promise) return shared.then(quota => nearer(own, quota), giveBack)
      return shared ? nearer(own, shared) : own
    } catch (error) {
      return giveBack(error)
    }
  }

  return (principal, points) => {
    const own = ofPrincipal?.take(keyOf(principal), points)
    if (own instanceof Promise) return own.then(taken => chargeBoth(principal, points, taken))
    return chargeBoth(principal, points, own)
  }
}

/** Unique, because neither part holds a space. */
export function keyOf({ tenant, id }: Principal): string {
  return `${tenant} ${id}`
}

function nearer(own: Quota | undefined, shared: Quota): Quota {
  return own && own.remaining <= shared.remaining ? own : shared
}
