import type { Quota } from './quota.js'

/** Whether points were taken, and the caller's quota after that. */
export interface Taken extends Quota {
  readonly isRefused: boolean
}

/** Counts points for each key: over all replicas where they share a Redis, else in this one. Implemented by the cache. */
export interface PointLimiter {
  readonly limit: number
  /** Takes all of the points or none. Returns a promise only where the answer is not known at once. */
  take(key: string, points: number): Taken | Promise<Taken>
  /** Gives back points that were taken and then not used. */
  giveBack(key: string, points: number): void
}
