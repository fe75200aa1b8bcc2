import type { ModelContract } from '../../scoring/contract.js'
import type { ModelManifest } from '../../scoring/manifest.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import type { FileDigest } from '../admission/versionFiles.js'
import type { Rollout } from './rollout.js'

/** A file of a version in the content-addressed store. */
export type StoredFile = FileDigest

/** Where a version came from. */
export type VersionOrigin =
  | { readonly source: 'folder' }
  | { readonly source: 'mlflow'; readonly name: string; readonly version: string; readonly runId: string | undefined }

/** A version that some gateway has checked. */
export interface StoredVersion {
  readonly model: string
  readonly version: string
  /** Undefined where it could not be read: such a version is REJECTED. */
  readonly contract: ModelContract | undefined
  readonly manifest: ModelManifest | undefined
  /** Contract, manifest, graph, golden rows, model card. None for a REJECTED version. */
  readonly files: readonly StoredFile[]
  readonly report: AdmissionReport
  /** HMAC-SHA-256 of the report, hexadecimal; undefined where no key is set. */
  readonly signature: string | undefined
  readonly origin: VersionOrigin
  readonly storedAt: Date
}

/** What a caller of `put` has: the files are read where the store does not hold them yet. */
export type NewVersion = Omit<StoredVersion, 'storedAt' | 'contract' | 'manifest'> & {
  /** SHA-256 of what decides its answers; undefined where its manifest cannot be read. */
  readonly identity: string | undefined
  readonly read: (file: StoredFile) => Promise<Uint8Array>
}

/** All versions and rollouts at one moment. */
export interface ReleaseState {
  /** Grows with each change of any model: an unchanged number means an unchanged state. */
  readonly revision: string
  readonly versions: readonly StoredVersion[]
  readonly rollouts: readonly Rollout[]
}

/** Versions with their files, and rollouts: the same for all gateways. Implemented over Postgres. */
export interface VersionStore {
  revision(): Promise<string>
  state(): Promise<ReleaseState>
  /**
   * Stores a version, or its newer report; safe to repeat. False, and nothing is stored, for other answers of a version that has served
   * or made a prediction: what was used stays.
   * @throws Error where a file is not what its digest says; AppError as a write does
   */
  put(version: NewVersion): Promise<boolean>
  /** Writes files of a stored version again, where some were lost. @throws Error where `read` gives other bytes */
  restore(files: readonly StoredFile[], read: (file: StoredFile) => Promise<Uint8Array>): Promise<void>
  /** @throws AppError NOT_FOUND where the store does not hold the whole file */
  readFile(sha256: string): Promise<Uint8Array>
}
