import type { VersionFolder } from '../intake/versionFolder.js'
import type { VersionOrigin } from '../rollout/versionStore.js'

export interface TakenFromMlflow {
  /** Why the version is REJECTED; none where it was taken. */
  readonly problems: readonly string[]
  /** It is taken, and can only serve after the gateways start again. */
  readonly waitsForRestart: boolean
}

/** Takes the versions that MLflow brings. */
export interface VersionSink {
  /**
   * Admits a version, unless its content was admitted before, and stores it. Its folder is there until this has ended. Every gateway that
   * follows the source calls it, and calls it again after its start.
   */
  take(folder: VersionFolder, origin: VersionOrigin): Promise<TakenFromMlflow>
  /**
   * Hears that the alias named this version when it was asked for. Every gateway says so at its start and then at each change. It is news
   * only where it differs from what was said before, and no older than that. Returns why the version may not be champion; none where all
   * is well.
   */
  said(model: string, version: string, at: Date): Promise<readonly string[]>
}
