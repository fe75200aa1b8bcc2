import type { ModelContract } from '../../scoring/contract.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import type { AdmissionReport } from './admissionReport.js'
import { applicationsAtEdges } from './domainProbes.js'
import type { GoldenRow } from './goldenRows.js'

/** So many rows find another graph, other columns or another runtime. */
export const PARITY_ROWS = 50

/** The applications whose answers a report keeps: the first golden rows and the edges. */
export function parityApplications(contract: ModelContract, rows: readonly GoldenRow[]): FeatureValues[] {
  return [...rows.slice(0, PARITY_ROWS).map(({ features }) => features), ...applicationsAtEdges(contract, rows)]
}

/**
 * Compares a loaded model with the report of its checks, bit by bit. `rows` are its golden rows, at least the first of them.
 * @throws Error where one answer differs: another graph, another runtime, or another processor
 */
export async function requireParity(
  model: Pick<OnnxModel, 'run'>,
  contract: ModelContract,
  rows: readonly GoldenRow[],
  { answers }: Pick<AdmissionReport, 'answers'>,
): Promise<void> {
  const applications = parityApplications(contract, rows)
  if (answers.length !== applications.length)
    throw new Error('its golden rows are not those of its checks. Check the version again')
  const own = await model.run(applications)
  const at = answers.findIndex((answer, i) => !Object.is(answer, own[i]))
  if (at === -1) return
  throw new Error(`it does not answer as in its checks: ${answers[at]} became ${own[at]}. Check the version again`)
}
