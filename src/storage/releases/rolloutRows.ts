import type { Rollout, Share } from '../../releases/rollout/rollout.js'
import type { ModelReleases } from '../../releases/rollout/rolloutStore.js'
import { milliseconds } from '../postgres/instants.js'

/** A rollout as one JSON value, for a row `r` of model_rollouts. */
export const ROLLOUT_AS_JSON = `json_build_object('model', r.model, 'champion', r.champion, 'challenger', r.challenger,
  'challengerShare', r.challenger_share, 'shadow', r.shadow, 'shadowShare', r.shadow_share, 'earlier', r.earlier, 'retired', r.retired,
  'revision', r.revision, 'folderSaid', r.folder_said, 'folderSaidAt', ${milliseconds('r.folder_said_at')},
  'mlflowSaid', r.mlflow_said, 'mlflowSaidAt', ${milliseconds('r.mlflow_said_at')})`

/** How ROLLOUT_AS_JSON arrives. */
export interface RolloutRow extends Pick<Rollout, 'model' | 'earlier' | 'retired' | 'revision'> {
  readonly champion: string | null
  readonly challenger: string | null
  readonly challengerShare: number | null
  readonly shadow: string | null
  readonly shadowShare: number | null
  readonly folderSaid: string | null
  readonly folderSaidAt: number | null
  readonly mlflowSaid: string | null
  readonly mlflowSaidAt: number | null
}

export function toRollout({ model, champion, earlier, retired, revision, ...row }: RolloutRow): Rollout {
  return {
    model,
    champion: champion ?? undefined,
    challenger: shareOf(row.challenger, row.challengerShare),
    shadow: shareOf(row.shadow, row.shadowShare),
    earlier,
    retired,
    revision,
  }
}

/** That of a model without any change. */
export function emptyRollout(model: string): Rollout {
  return { model, champion: undefined, challenger: undefined, shadow: undefined, earlier: [], retired: [], revision: 0 }
}

function shareOf(version: string | null, share: number | null): Share | undefined {
  return version === null || share === null ? undefined : { version, share }
}

export function saidIn(row: RolloutRow | undefined): ModelReleases['said'] {
  const said = (version: string | null | undefined, at: number | null | undefined) =>
    typeof version === 'string' && typeof at === 'number' ? { version, at: new Date(at) } : undefined
  return { folder: said(row?.folderSaid, row?.folderSaidAt), mlflow: said(row?.mlflowSaid, row?.mlflowSaidAt) }
}
