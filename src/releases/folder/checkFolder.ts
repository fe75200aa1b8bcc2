import type { ModelContract } from '../../scoring/contract.js'
import type { Admission, VersionToCheck } from '../admission/admission.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import { readVersion } from '../admission/readVersion.js'
import { rejectedReport } from '../admission/rejectedReport.js'
import type { VersionFolder } from '../intake/versionFolder.js'
import type { TakenVersion } from '../intake/versionIntake.js'
import { ofVersion } from './ofVersion.js'
import type { ScannedModel } from './scanModels.js'

/** Checks a version beside the champion of its folder. @throws Error where nothing can be checked here */
export type TakeFolder = (
  folder: VersionFolder,
  contract: ModelContract,
  champion: VersionToCheck['champion'],
) => Promise<TakenVersion>

/** A version of a folder, as it would serve. */
export interface CheckedVersion {
  readonly version: string
  readonly stage: 'CHAMPION' | 'CANDIDATE' | 'REJECTED'
  /** Undefined where its checks could not begin. */
  readonly report: AdmissionReport | undefined
  /** Why it is REJECTED. */
  readonly problems: readonly string[]
  /** What its checks could not prove. */
  readonly warnings: readonly string[]
}

export interface CheckedModel {
  readonly name: string
  /** Undefined where it is not valid: then no version was checked. */
  readonly contract: ModelContract | undefined
  readonly versions: readonly CheckedVersion[]
  /** Why no version would serve. */
  readonly problems: readonly string[]
}

/** Checks all versions of a model of a folder, as a gateway does that starts with it, or the champion and one other. */
export async function checkFolder(model: ScannedModel, take: TakeFolder, only?: string): Promise<CheckedModel> {
  const { name, contract } = model
  if (!contract) return { name, contract, versions: [], problems: model.problems }
  const versions: CheckedVersion[] = []
  let champion: VersionToCheck['champion']
  for (const folder of model.versions) {
    const isChampion = folder.version === model.champion?.version
    if (!isChampion && only !== undefined && folder.version !== only) continue
    const taken = await ofVersion(folder, () => take(folder, contract, champion))
    const checked = judged(folder, taken, isChampion)
    versions.push(checked)
    if (checked.stage === 'CHAMPION' && 'manifest' in taken && taken.manifest)
      champion = { directory: folder.directory, manifest: taken.manifest }
  }
  const named = versions.find(({ version }) => version === model.champion?.version)
  return { name, contract, versions, problems: named?.problems ?? model.championProblems }
}

/** Checks versions and keeps nothing of them. */
export function checkOnly(admission: Admission): TakeFolder {
  return async ({ directory, version }, contract, champion) => {
    const read = await readVersion(directory, version, contract)
    const { manifest } = read
    const report = manifest ? await admission.check({ ...read, manifest, champion }) : rejectedReport(read, read.problems)
    return { manifest, report, problems: report.problems }
  }
}

function judged(
  { version }: VersionFolder,
  taken: TakenVersion | Pick<TakenVersion, 'problems'>,
  isChampion: boolean,
): CheckedVersion {
  if (!('report' in taken)) return { version, stage: 'REJECTED', report: undefined, problems: taken.problems, warnings: [] }
  const { report } = taken
  const problems = isChampion ? [...taken.problems, ...report.championProblems] : taken.problems
  if (problems.length > 0) return { version, stage: 'REJECTED', report, problems, warnings: [] }
  const warnings = isChampion ? report.warnings : [...report.championProblems, ...report.warnings]
  return { version, stage: isChampion ? 'CHAMPION' : 'CANDIDATE', report, problems, warnings }
}
