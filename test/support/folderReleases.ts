import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Admission, VersionToCheck } from '../../src/releases/admission/admission.js'
import type { AdmissionReport } from '../../src/releases/admission/admissionReport.js'
import { checkVersion } from '../../src/releases/admission/checkVersion.js'
import { readVersion } from '../../src/releases/admission/readVersion.js'
import { signReport } from '../../src/releases/admission/reportSignature.js'
import { type CheckedModel, checkFolder, checkOnly } from '../../src/releases/folder/checkFolder.js'
import { scanModels } from '../../src/releases/folder/scanModels.js'
import { VersionChecks } from '../../src/releases/intake/versionChecks.js'
import type { VersionStore } from '../../src/releases/rollout/versionStore.js'
import { loadRelease } from '../../src/releases/serving/loadRelease.js'
import { type ModelEntry, ModelRegistry } from '../../src/releases/serving/modelRegistry.js'
import { openVersion } from '../../src/releases/serving/openVersion.js'
import type { InstalledVersion, Release } from '../../src/scoring/release.js'

const KEY = Buffer.from('the key of these reports')

/** Runs the checks in this process: starting another one takes longer than they do. */
export const ownAdmission: Admission = {
  async check(version) {
    const report = await checkVersion(version)
    // The processor time of the test runner counts here, too.
    return { ...report, warnings: report.warnings.filter(says => !says.includes('served from a worker')) }
  },
}

/** Checks all models of a folder. */
export async function checkModelsOf(directory: string): Promise<CheckedModel[]> {
  const checked: CheckedModel[] = []
  for (const model of (await scanModels(directory)).models) checked.push(await checkFolder(model, checkOnly(ownAdmission)))
  return checked
}

/** The champion of a model of a folder, checked and loaded as it would serve; undefined where it is REJECTED. */
export async function championOf(directory: string, name: string): Promise<Release | undefined> {
  return (await registryOf(directory)).model(name)?.champion
}

/** The models of a folder with their champions, without a version store. */
export async function registryOf(directory: string): Promise<ModelRegistry> {
  const entries: ModelEntry[] = []
  for (const { name, contract, versions: checked } of await checkModelsOf(directory)) {
    if (!contract) continue
    let champion: Release | undefined
    const versions: InstalledVersion[] = []
    for (const { version, stage, report, problems, warnings } of checked) {
      const read = await readVersion(join(directory, name, version), version, contract)
      const { manifest } = read
      versions.push({ model: name, version, stage, manifest, problems, warnings })
      if (stage === 'CHAMPION' && manifest && report) champion = await releaseOf({ ...read, manifest }, report)
    }
    entries.push({ contract, champion, versions })
  }
  return new ModelRegistry(entries)
}

/** Loads a checked version from its folder as serving does from the version store. @throws Error with a sentence, as serving does */
export async function releaseOf(version: VersionToCheck, found: AdmissionReport): Promise<Release> {
  // On the event loop whatever it costs: a thread would outlive a test that does not retire the release.
  const report = { ...found, cost: { loadMs: 0, rowMs: 0, groupMs: 0, groupRows: 1, peakBytes: 0 } }
  const { model, directory, contract, manifest, files } = version
  const store = {
    readFile: async (sha256: string) => readFile(join(directory, files.find(file => file.sha256 === sha256)?.name ?? '')),
  } as unknown as VersionStore
  const checks = new VersionChecks(ownAdmission, KEY, new AbortController().signal)
  const stored = { model, version: version.version, contract, manifest, files, report, signature: signReport(report, KEY) }
  const opened = await openVersion({ ...stored, origin: { source: 'folder' }, storedAt: new Date() }, contract, { store, checks })
  return loadRelease(opened, { observeScoring: () => {}, warn: () => {}, workerEnded: () => {} })
}
