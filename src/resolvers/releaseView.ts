import { mlflowLinks } from '../releases/mlflow/links.js'
import type { ReleaseChange as StoredChange } from '../releases/rollout/releaseChange.js'
import type { IsTrusted } from '../releases/rollout/releaseRules.js'
import type { Rollout as StoredRollout } from '../releases/rollout/rollout.js'
import type { StoredVersion, VersionOrigin } from '../releases/rollout/versionStore.js'
import type { AdmissionReport, ModelVersionOrigin } from '../schema/admissionReport.js'
import type { ReleaseChange, Rollout, VersionStage } from '../schema/rollout.js'

type Stage = VersionStage['stage']

const FROM_THE_FOLDER: ModelVersionOrigin = {
  source: 'FOLDER',
  name: undefined,
  version: undefined,
  runId: undefined,
  url: undefined,
  runUrl: undefined,
}

/** The rollout with the stage that each stored version has under it, before any gateway has applied it. */
export function toRollout(rollout: StoredRollout, versions: readonly StoredVersion[]): Rollout {
  return { ...rollout, stages: versions.map(stored => ({ version: stored.version, stage: stageOf(rollout, stored) })) }
}

function stageOf({ champion, challenger, shadow, retired }: StoredRollout, { version, report }: StoredVersion): Stage {
  if (version === champion) return 'CHAMPION'
  if (report.problems.length > 0) return 'REJECTED'
  if (version === challenger?.version) return 'CHALLENGER'
  if (version === shadow?.version) return 'SHADOW'
  return retired.includes(version) ? 'RETIRED' : 'CANDIDATE'
}

/** `tenant`: that of the caller. It learns of no principal of another tenant. */
export function toReleaseChange({ request, proposedBy, decidedBy, ...change }: StoredChange, tenant: string): ReleaseChange {
  const { action } = request
  return {
    ...change,
    action,
    version: action === 'SPLIT' ? undefined : action === 'ROLLBACK' ? request.from : request.version,
    challenger: action === 'SPLIT' ? request.challenger : undefined,
    shadow: action === 'SPLIT' ? request.shadow : undefined,
    proposedBy: nameIn(tenant, proposedBy),
    decidedBy: decidedBy && nameIn(tenant, decidedBy),
  }
}

function nameIn(tenant: string, actor: StoredChange['proposedBy']): string | undefined {
  const isSource = actor.principal === 'folder' || actor.principal === 'mlflow'
  return isSource || actor.tenant === tenant ? actor.principal : undefined
}

export function toReport(version: StoredVersion, isTrusted: IsTrusted): AdmissionReport {
  const { report } = version
  const { checkedBy, golden, comparison, cost } = report
  return {
    content: report.content,
    checkedAt: new Date(report.checkedAt),
    checkedBy: `riskgate ${checkedBy.riskgate}, ONNX Runtime ${checkedBy.onnxRuntime}, ${checkedBy.platform}`,
    signed: version.signature !== undefined && isTrusted(version),
    problems: report.problems,
    championProblems: report.championProblems,
    warnings: report.warnings,
    rowByRow: report.rowByRow,
    goldenRows: golden?.rows,
    worstGoldenDeviation: golden?.worstDeviation,
    bandShares: report.bandShares,
    quality: report.quality,
    comparedWith: comparison?.champion,
    championQuality: comparison?.quality,
    populationStabilityIndex: comparison?.psi,
    loadMs: cost?.loadMs,
    rowMs: cost?.rowMs,
    peakBytes: cost?.peakBytes,
  }
}

/** `mlflow`: the address of the MLflow that is followed, where there is one. */
export function toOrigin(origin: VersionOrigin, mlflow: URL | undefined): ModelVersionOrigin {
  if (origin.source === 'folder') return FROM_THE_FOLDER
  const { name, version, runId } = origin
  const links = mlflow && mlflowLinks(origin, mlflow)
  return { source: 'MLFLOW', name, version, runId, url: links?.version, runUrl: links?.run }
}
