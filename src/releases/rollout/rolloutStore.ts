import type { Actor } from '../../auth/principal.js'
import type { NewReleaseChange, ReleaseChange } from './releaseChange.js'
import type { Rollout } from './rollout.js'
import type { StoredVersion, VersionOrigin } from './versionStore.js'

/** What may name a champion beside people. */
export type ReleaseSource = VersionOrigin['source']

/** A version as it stood when it was read. */
export interface ReadVersion extends StoredVersion {
  /** Grows with each report. */
  readonly revision: number
}

/** A model's rollout and versions at one moment. */
export interface ModelReleases {
  /** Its revision is 0, and it has no champion, where there was no change yet. */
  readonly rollout: Rollout
  readonly versions: readonly ReadVersion[]
  /** Another one after each write to the rollout, each proposal included; undefined where it is not stored yet. */
  readonly stamp: string | undefined
  /** What each source has last said of the champion, and was followed in. */
  readonly said: Readonly<Record<ReleaseSource, { readonly version: string; readonly at: Date } | undefined>>
}

/** What a source says, to be stored with the change that follows from it. */
export interface Said {
  readonly source: ReleaseSource
  readonly version: string
  /** When it was said; undefined: just now. */
  readonly at?: Date | undefined
}

/** A change of a rollout, to be made only where nothing that it relies on has changed since it was read. */
export interface RolloutStep {
  readonly before: ModelReleases
  readonly next: Rollout
  /** The versions whose reports were judged for it. */
  readonly relyingOn: readonly ReadVersion[]
}

export interface ReleaseChangePage {
  readonly size: number
  /** The id of the change before the page. */
  readonly after: string | undefined
}

/** Rollouts and their changes. Each method that writes makes one statement, with its entry of the audit. Implemented over Postgres. */
export interface RolloutStore {
  read(model: string): Promise<ModelReleases>
  /** Undefined, and nothing is stored, where the rollout or a version has changed meanwhile. */
  apply(step: RolloutStep, change: NewReleaseChange, said?: Said): Promise<ReleaseChange | undefined>
  /** Applies a proposal; undefined also where somebody else has decided on it. */
  approve(step: RolloutStep, proposal: ReleaseChange, approver: Actor): Promise<ReleaseChange | undefined>
  /**
   * Stores a proposal; undefined where the rollout has changed meanwhile, where somebody else has proposed something, and where its
   * source has said so before.
   */
  propose(before: ModelReleases, change: NewReleaseChange, said?: Said): Promise<ReleaseChange | undefined>
  /** The undecided proposal of the same change by the same principal on this revision of the rollout. */
  proposed(change: NewReleaseChange, revision: number): Promise<ReleaseChange | undefined>
  /** Undefined where somebody has decided on it meanwhile. */
  refuse(proposal: ReleaseChange, decider: Actor, reason: string): Promise<ReleaseChange | undefined>
  /** Notes what a source says where nothing follows from it. */
  note(model: string, said: Said): Promise<void>
  find(id: string): Promise<ReleaseChange | undefined>
  /** The newest first; one more than the page size when more follow. */
  page(model: string | undefined, page: ReleaseChangePage): Promise<ReleaseChange[]>
}
