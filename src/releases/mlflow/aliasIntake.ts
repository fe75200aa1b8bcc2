import type { ModelContract } from '../../scoring/contract.js'
import type { VersionOrigin } from '../rollout/versionStore.js'

/** A version as MLflow brings it: a folder below that of its model, which holds the contract. Both are there until it was taken. */
export interface BroughtVersion {
  readonly model: string
  readonly version: string
  readonly directory: string
  readonly contract: ModelContract
}

export interface TakenAlias {
  /** Why it is rejected; none where it was taken. */
  readonly problems: readonly string[]
  /** It is taken, and can only serve after the gateways start again. */
  readonly waitsForRestart: boolean
}

/** What becomes of the versions that aliases name. */
export interface AliasIntake {
  /** Admits a version and stores it, unless that was done before. Every gateway calls it, and calls it again after its start. */
  take(version: BroughtVersion, origin: VersionOrigin): Promise<TakenAlias>
  /**
   * Hears that the alias named this version when it was asked for: every gateway says so at its start and at each change. Returns why the
   * version may not be champion; none where all is well.
   */
  said(model: string, version: string, at: Date): Promise<readonly string[]>
}
