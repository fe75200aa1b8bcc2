import type { AdmissionReport } from './admissionReport.js'
import type { VersionOnDisk } from './readVersion.js'

/** The report of a version that no check could get further with. */
export function rejectedReport(
  { model, version, content, checkedBy }: Pick<VersionOnDisk, 'model' | 'version' | 'content' | 'checkedBy'>,
  problems: readonly string[],
): AdmissionReport {
  return {
    model,
    version,
    content,
    checkedAt: new Date().toISOString(),
    checkedBy,
    problems: [...problems],
    championProblems: [],
    warnings: [],
    rowByRow: false,
    answers: [],
  }
}
