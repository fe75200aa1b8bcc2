import { AdmissionProcess } from '../../src/releases/admission/admissionProcess.js'
import { scanModels } from '../../src/releases/folder/scanModels.js'
import { VersionChecks } from '../../src/releases/intake/versionChecks.js'
import { VersionIntake } from '../../src/releases/intake/versionIntake.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { TEST_RELEASE_KEY } from './gateway.js'
import { storesOf } from './stores.js'

const BUNDLED = new URL('../../models', import.meta.url).pathname

/** Puts the bundled versions into a version store, checked and signed, as the first gateway does. */
export async function storeBundledVersions(databaseUrl: string): Promise<void> {
  await using stores = storesOf(databaseUrl)
  const store = new PostgresVersionStore(stores.database)
  const admission = new AdmissionProcess({ seconds: 60, memoryMib: 2_048 })
  const checks = new VersionChecks(admission, Buffer.from(TEST_RELEASE_KEY), new AbortController().signal)
  const intake = new VersionIntake(store, checks)
  try {
    for (const { contract, versions } of (await scanModels(BUNDLED)).models) {
      for (const version of contract ? versions : []) if (contract) await intake.take(version, contract, { source: 'folder' })
    }
  } finally {
    await admission.close()
  }
}
