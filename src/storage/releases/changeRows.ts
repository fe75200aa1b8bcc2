import type { ReleaseAction, ReleaseChange, ReleaseChangeState, ReleaseRequest } from '../../releases/rollout/releaseChange.js'
import { milliseconds } from '../postgres/instants.js'

/** The columns of a change, for a row of release_changes. */
export const CHANGE_COLUMNS = `id, model, action, details, reason, proposed_by as "proposedBy", proposed_in as "proposedIn",
  ${milliseconds('proposed_at')} as "proposedAt", decided_by as "decidedBy", decided_in as "decidedIn",
  ${milliseconds('decided_at')} as "decidedAt", decision_reason as "decisionReason", state`

export interface ChangeRow {
  readonly id: string
  readonly model: string
  readonly action: ReleaseAction
  readonly details: Omit<ReleaseRequest, 'action'> & { readonly proposedOn?: number }
  readonly reason: string
  readonly proposedBy: string
  readonly proposedIn: string
  readonly proposedAt: number
  readonly decidedBy: string | null
  readonly decidedIn: string | null
  readonly decidedAt: number | null
  readonly decisionReason: string | null
  readonly state: ReleaseChangeState
}

export function toChange({ id, model, action, details, reason, state, decisionReason, ...row }: ChangeRow): ReleaseChange {
  const { decidedBy, decidedIn, decidedAt } = row
  const { proposedOn, ...named } = details
  return {
    id,
    model,
    request: { action, ...named } as ReleaseRequest,
    reason,
    state,
    proposedOn,
    proposedBy: { principal: row.proposedBy, tenant: row.proposedIn },
    proposedAt: new Date(row.proposedAt),
    decidedBy: decidedBy === null || decidedIn === null ? undefined : { principal: decidedBy, tenant: decidedIn },
    decidedAt: decidedAt === null ? undefined : new Date(decidedAt),
    decisionReason: decisionReason ?? undefined,
  }
}

/** The parts of a request that are stored beside its action. `proposedOn`: the revision of the rollout, for a proposal. */
export function detailsOf({ action: _action, ...details }: ReleaseRequest, proposedOn?: number): string {
  return JSON.stringify({ ...details, proposedOn })
}
