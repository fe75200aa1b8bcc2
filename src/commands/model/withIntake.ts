import { loadConfig } from '../../config/config.js'
import { AdmissionProcess } from '../../releases/admission/admissionProcess.js'
import type { TakeFolder } from '../../releases/folder/checkFolder.js'
import { VersionChecks } from '../../releases/intake/versionChecks.js'
import { VersionIntake } from '../../releases/intake/versionIntake.js'
import { releaseKey } from '../../start/releaseKey.js'
import { PostgresVersionStore } from '../../storage/releases/versionStore.js'
import { withDatabaseUntilSignal } from '../commandDatabase.js'

/** Runs work that puts versions of a folder into the version store, checked and signed as by a gateway of these settings. */
export async function withIntake<T>(work: (take: TakeFolder) => Promise<T>): Promise<T> {
  const config = loadConfig()
  const key = await releaseKey(config)
  return withDatabaseUntilSignal(config, async database => {
    const admission = new AdmissionProcess(config.admission)
    const checks = new VersionChecks(admission, key, new AbortController().signal)
    const intake = new VersionIntake(new PostgresVersionStore(database), checks)
    try {
      return await work((folder, contract) => intake.take(folder, contract, { source: 'folder' }))
    } finally {
      await admission.close()
    }
  })
}
