import { MAX_ROWS_A_RUN } from '../../scoring/release.js'
import type { AdmissionReport } from './admissionReport.js'

/**
 * The longest that a model may hold the event loop, in milliseconds. A load happens once; a full group delays every call that comes while
 * it runs.
 */
export const STALL_BUDGET_MS = { load: 50, group: 10 } as const

export type Cost = NonNullable<AdmissionReport['cost']>

/** What of a model would hold the event loop for too long. One with any of it is served from a worker. */
export function stallsOf({ loadMs, groupMs, groupRows }: Cost): string[] {
  const fullGroupMs = (groupMs / groupRows) * MAX_ROWS_A_RUN
  return [
    ...(loadMs > STALL_BUDGET_MS.load ? [`loading it takes ${Math.round(loadMs)} ms`] : []),
    ...(fullGroupMs > STALL_BUDGET_MS.group ? [`${MAX_ROWS_A_RUN} rows take ${Math.round(fullGroupMs)} ms`] : []),
  ]
}
