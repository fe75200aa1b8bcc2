import type { VersionOrigin } from './rollout/versionStore.js'

/** A version that a source brings: manifest, graph, golden rows and model card, and the contract of its model beside them. */
export interface VersionFolder {
  readonly model: string
  readonly version: string
  /** It is there until `take` has ended. */
  readonly directory: string
}

/** Takes versions from a source: it admits them and stores them for all gateways. */
export interface VersionIntake {
  /**
   * Admits a version, unless its content was admitted before, and stores it. The problems say why it is REJECTED. Every gateway that
   * follows the source calls it, and calls it again after its start.
   */
  take(folder: VersionFolder, origin: VersionOrigin, end: AbortSignal): Promise<{ readonly problems: readonly string[] }>
  /**
   * The source says that this version, which was taken without problems, should be champion. Every gateway says so at its start and
   * then at each change. It is news only where it differs from what the source said before.
   */
  said(model: string, version: string): Promise<void>
}
