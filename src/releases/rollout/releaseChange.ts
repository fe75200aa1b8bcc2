import type { Actor } from '../../auth/principal.js'
import type { Share } from './rollout.js'

export const RELEASE_ACTIONS = ['PROMOTE', 'ROLLBACK', 'SPLIT', 'RETIRE'] as const
export type ReleaseAction = (typeof RELEASE_ACTIONS)[number]

export const RELEASE_CHANGE_STATES = ['PROPOSED', 'APPLIED', 'REFUSED'] as const
export type ReleaseChangeState = (typeof RELEASE_CHANGE_STATES)[number]

/** What a change asks for. */
export type ReleaseRequest =
  | { readonly action: 'PROMOTE' | 'RETIRE'; readonly version: string }
  /** `from`: the champion that is left. */
  | { readonly action: 'ROLLBACK'; readonly from: string }
  | { readonly action: 'SPLIT'; readonly challenger: Share | undefined; readonly shadow: Share | undefined }

/** A change that somebody asks for, with the reason. */
export interface NewReleaseChange {
  readonly model: string
  readonly request: ReleaseRequest
  readonly reason: string
  readonly actor: Actor
}

/** A change as it is stored. */
export interface ReleaseChange {
  readonly id: string
  readonly model: string
  readonly request: ReleaseRequest
  readonly reason: string
  readonly state: ReleaseChangeState
  /** The revision of the rollout that it was proposed on; undefined for a change that was never proposed, or by an older release. */
  readonly proposedOn: number | undefined
  readonly proposedBy: Actor
  readonly proposedAt: Date
  /** Who applied or refused it; undefined while it is PROPOSED. */
  readonly decidedBy: Actor | undefined
  readonly decidedAt: Date | undefined
  readonly decisionReason: string | undefined
}
