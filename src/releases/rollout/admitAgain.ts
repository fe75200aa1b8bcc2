import type { Actor } from '../../auth/principal.js'
import type { StoredVersion } from './versionStore.js'

/** Has a version checked once more. Implemented by the intake of this gateway. */
export interface AdmitAgain {
  /**
   * Checks the version that the version store has, and stores the report, with an entry of the audit.
   * @throws AppError NOT_FOUND where the store does not have it
   */
  run(actor: Actor, model: string, version: string): Promise<StoredVersion>
}
