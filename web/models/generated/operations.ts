/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** The stage of a model version. CANDIDATE: passed its checks and serves nobody. SHADOW: scores beside, and nobody gets its answers. CHALLENGER: answers a share of the applicants. CHAMPION: answers the others. RETIRED: taken out. REJECTED: failed its checks. */
export type ModelStage =
  | 'CANDIDATE'
  | 'CHALLENGER'
  | 'CHAMPION'
  | 'REJECTED'
  | 'RETIRED'
  | 'SHADOW';

/** What a change of a rollout does. PROMOTE: another champion. ROLLBACK: the champion before. SPLIT: shares for a challenger and a shadow. RETIRE: takes a version out. */
export type ReleaseAction =
  | 'PROMOTE'
  | 'RETIRE'
  | 'ROLLBACK'
  | 'SPLIT';

/** APPLIED: made. PROPOSED: waits for a second principal. REFUSED: refused, or withdrawn by its proposer. */
export type ReleaseChangeState =
  | 'APPLIED'
  | 'PROPOSED'
  | 'REFUSED';

/** Where a version came from: the models folder, or the registry of MLflow. */
export type ReleaseSource =
  | 'FOLDER'
  | 'MLFLOW';

/** Risk group, from the lowest probability of default (T1) to the highest (T8). Half-open intervals; T8 includes 1.0; cut-offs set per model version. */
export type RiskBand =
  | 'T1'
  | 'T2'
  | 'T3'
  | 'T4'
  | 'T5'
  | 'T6'
  | 'T7'
  | 'T8';

/** A bundle of permissions: SCORER (front-ends), MONITOR (alert clients), ANALYST (history), MODEL_MANAGER (model releases), ADMIN, TELEMETRY (metrics of the gateway). */
export type Role =
  | 'ADMIN'
  | 'ANALYST'
  | 'MODEL_MANAGER'
  | 'MONITOR'
  | 'SCORER'
  | 'TELEMETRY';

export type ModelsPageChangesQueryVariables = Exact<{
  model: string;
}>;


export type ModelsPageChangesQuery = { releaseChanges: { nodes: Array<{ id: string, action: ReleaseAction, version: string | null, reason: string, state: ReleaseChangeState, proposedBy: string | null, proposedAt: string, decidedBy: string | null, decidedAt: string | null, decisionReason: string | null, challenger: { version: string, share: number } | null, shadow: { version: string, share: number } | null }>, pageInfo: { hasNextPage: boolean } } };

export type ModelsPageQueryVariables = Exact<{ [key: string]: never; }>;


export type ModelsPageQuery = { viewer: { id: string, tenant: string, roles: Array<Role> }, models: Array<{ name: string, rollout: { champion: string | null, earlier: Array<string>, revision: number, challenger: { version: string, share: number } | null, shadow: { version: string, share: number } | null, stages: Array<{ version: string, stage: ModelStage }> } | null, versions: Array<{ version: string, stage: ModelStage, createdAt: string | null, problems: Array<string> | null, warnings: Array<string> | null, bands: Array<{ band: RiskBand, from: number, to: number }>, origin: { source: ReleaseSource, name: string | null, version: string | null, runId: string | null } | null, report: { checkedAt: string, checkedBy: string, signed: boolean, problems: Array<string>, championProblems: Array<string>, warnings: Array<string>, rowByRow: boolean, goldenRows: number | null, worstGoldenDeviation: number | null, bandShares: Array<number> | null, comparedWith: string | null, populationStabilityIndex: number | null, loadMs: number | null, rowMs: number | null, peakBytes: number | null, quality: { rows: number, auc: number, ks: number, gini: number, brier: number } | null, championQuality: { rows: number, auc: number, ks: number, gini: number, brier: number } | null } | null }> }> };

export type QualityFragment = { rows: number, auc: number, ks: number, gini: number, brier: number };
