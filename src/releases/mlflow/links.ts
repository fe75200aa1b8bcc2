import type { VersionOrigin } from '../rollout/versionStore.js'

/** The pages of MLflow about a version. */
export interface MlflowLinks {
  readonly version: string
  /** The run of the experiment that made it: its metrics, its parameters, its artifacts. Undefined where MLflow names none. */
  readonly run: string | undefined
}

/** The pages about a version that came from the MLflow at this address, which hold no credentials; undefined for another source. */
export function mlflowLinks(origin: VersionOrigin, mlflow: URL): MlflowLinks | undefined {
  if (origin.source !== 'mlflow') return undefined
  const pages = `${mlflow.origin}${mlflow.pathname.replace(/\/+$/, '')}/#`
  const { name, version, runId } = origin
  return {
    version: `${pages}/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`,
    // MLflow leads on to the experiment of the run.
    run: runId === undefined ? undefined : `${pages}/runs/${encodeURIComponent(runId)}`,
  }
}
