import type { Quota } from './quota.js'

/** Whether points were taken, and how the caller stands after that. */
export interface Taken extends Quota {
  readonly isRefused: boolean
}

/** Counts points for each key, on all replicas together where they share a Redis; implemented by the cache. */
export interface PointLimiter {
  readonly limit: number
  /** Takes all of the points or none. A promise only where the answer cannot be given at once. */
  take(key: string, points: number): Taken | Promise<Taken>
  /** For points that were taken and then not used. */
  giveBack(key: string, points: number): void
}
