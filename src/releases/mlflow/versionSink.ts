import type { VersionFolder } from '../folder/scanModels.js'
import type { VersionOrigin } from '../rollout/versionStore.js'

/** Takes the versions that MLflow brings. */
export interface VersionSink {
  /**
   * Admits a version, whose folder is there until this has ended, unless its content was admitted before, and stores it. The problems say why it is REJECTED. Every gateway that
   * follows the source calls it, and calls it again after its start.
   */
  take(folder: VersionFolder, origin: VersionOrigin, end: AbortSignal): Promise<{ readonly problems: readonly string[] }>
  /**
   * The source says that this version, which was taken without problems, should be champion. Every gateway says so at its start and
   * then at each change. It is news only where it differs from what the source said before.
   */
  said(model: string, version: string): Promise<void>
}
