import type { Principal } from '../auth/principal.js'

/** What an operation costs its principal: points are operations and rows. */
export interface OperationCost {
  readonly points: number
}

/** What a principal has left of the limit that it will meet first. */
export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly resetSeconds: number
}

/**
 * Asked once before each operation is executed, whatever way it came. Answers what is left, or nothing where there is no limit.
 * @throws AppError RATE_LIMITED
 */
export type Admit = (principal: Principal, cost: OperationCost) => Quota | undefined | Promise<Quota | undefined>
