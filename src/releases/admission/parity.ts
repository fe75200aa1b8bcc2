import type { ModelContract } from '../../scoring/contract.js'
import type { FeatureValues } from '../../scoring/features.js'
import { applicationsAtEdges } from './domainProbes.js'
import type { GoldenRow } from './goldenRows.js'

/** So many rows find another graph, other columns or another runtime. */
export const PARITY_ROWS = 50

/** The applications whose answers a report keeps: the first golden rows and the edges. */
export function parityApplications(contract: ModelContract, rows: readonly GoldenRow[]): FeatureValues[] {
  return [...rows.slice(0, PARITY_ROWS).map(({ features }) => features), ...applicationsAtEdges(contract, rows)]
}
