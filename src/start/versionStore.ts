import { AdmissionProcess } from '../releases/admission/admissionProcess.js'
import { VersionChecks } from '../releases/intake/versionChecks.js'
import { VersionIntake } from '../releases/intake/versionIntake.js'
import { ReleaseControl } from '../releases/rollout/releaseControl.js'
import type { IsTrusted } from '../releases/rollout/releaseRules.js'
import type { RolloutStore } from '../releases/rollout/rolloutStore.js'
import type { VersionStore } from '../releases/rollout/versionStore.js'
import { PostgresRolloutStore } from '../storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../storage/releases/versionStore.js'
import type { Kit } from './kit.js'
import { releaseKey } from './releaseKey.js'

export interface VersionStoreParts {
  readonly store: VersionStore
  readonly rollouts: RolloutStore
  readonly checks: VersionChecks
  readonly intake: VersionIntake
  readonly control: ReleaseControl
  readonly isTrusted: IsTrusted
  /** Ends the process of the checks until the next one: checks are rare. */
  readonly restChecks: () => Promise<void>
}

/** Opens the version store, with what checks versions on their way in and what changes rollouts. */
export async function startVersionStore(
  { config, database, onStop }: Kit,
  { signal }: { signal: AbortSignal },
): Promise<VersionStoreParts> {
  const store = new PostgresVersionStore(database)
  const rollouts = new PostgresRolloutStore(database)
  const admission = new AdmissionProcess(config.admission)
  const restChecks = () => admission.close()
  onStop(restChecks)
  const checks = new VersionChecks(admission, await releaseKey(config), signal)
  const isTrusted: IsTrusted = version => checks.isTrusted(version)
  const control = new ReleaseControl(rollouts, { isTrusted, needsApproval: config.releaseApproval })
  return { store, rollouts, checks, intake: new VersionIntake(store, checks), control, isTrusted, restChecks }
}
