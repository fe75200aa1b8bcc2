import type { ModelManifest } from '../../scoring/manifest.js'
import type { AdmissionReport } from './admissionReport.js'
import type { VersionOnDisk } from './readVersion.js'

/** A version whose manifest could be read. */
export type VersionToCheck = VersionOnDisk & {
  readonly manifest: ModelManifest
  /** The champion of its model, to compare with. */
  readonly champion?: { readonly directory: string; readonly manifest: ModelManifest } | undefined
}

/** Checks versions. Implemented by a process of its own. */
export interface Admission {
  /** @throws Error where nothing can be checked here, which says nothing about the version */
  check(version: VersionToCheck, signal?: AbortSignal): Promise<AdmissionReport>
}
