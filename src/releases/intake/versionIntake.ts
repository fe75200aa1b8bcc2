import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ModelContract } from '../../scoring/contract.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import { readVersion, type VersionOnDisk } from '../admission/readVersion.js'
import type { VersionFolder } from '../folder/scanModels.js'
import type { StoredFile, StoredVersion, VersionOrigin, VersionStore } from '../rollout/versionStore.js'
import { inFolder } from './storedFolder.js'
import type { VersionChecks } from './versionChecks.js'

const CONTRACT = 'contract.json'
const CARD = 'MODEL_CARD.md'
const OTHER_ANSWERS =
  'a version of this name has served with another graph, other inputs or other bands, and stays. Give this one another name.'

/** What became of a version that a source has brought. */
export interface TakenVersion {
  readonly report: AdmissionReport
  /** Why it does not stand in the store as the source has it, or may not serve; none where all is well. */
  readonly problems: readonly string[]
}

/** Takes versions from sources: has them checked, and puts them into the version store with their files. */
export class VersionIntake {
  readonly #store: VersionStore
  readonly #checks: VersionChecks

  constructor(store: VersionStore, checks: VersionChecks) {
    this.#store = store
    this.#checks = checks
  }

  /** Safe to repeat: a version that stands in the store as it is costs a look at its files. @throws Error where the store is away */
  async take({ model, version, directory }: VersionFolder, contract: ModelContract, origin: VersionOrigin): Promise<TakenVersion> {
    const { versions, rollouts } = await this.#store.state()
    const named = (name: string | undefined) => versions.find(stored => stored.model === model && stored.version === name)
    const stored = named(version)
    const champion = named(rollouts.find(rollout => rollout.model === model)?.champion)
    const read = await readVersion(directory, version, contract)
    const known = this.#checks.known(read, stored)
    const signed = known ?? (await this.#check(read, champion === stored ? undefined : champion))
    const { report, signature } = signed
    if (stored && stored.report.content === report.content && stored.signature === signature) return { report, problems: report.problems }
    // Checks that fail here, and did not elsewhere, must not take away what serves.
    if (stored && stored.report.problems.length === 0 && report.problems.length > 0) return { report, problems: report.problems }
    const isStored = await this.#store.put({
      model,
      version,
      files: await filesOf(read),
      report,
      signature,
      origin,
      read: ({ name }) => readFile(pathOf(name, directory)),
    })
    return { report, problems: isStored ? report.problems : [`${model}/${version}: ${OTHER_ANSWERS}`] }
  }

  /** Compared with the champion, whose folder may be gone. */
  #check(read: VersionOnDisk, champion: StoredVersion | undefined) {
    const { manifest } = champion ?? {}
    if (!champion || !manifest) return this.#checks.check(read, undefined)
    return inFolder(this.#store, champion, directory => this.#checks.check(read, { directory, manifest }))
  }
}

/** The files to store: a version that cannot be read has none but those that can. */
async function filesOf({ files, directory, manifest }: VersionOnDisk): Promise<StoredFile[]> {
  if (!manifest) return []
  const others = await Promise.all([CONTRACT, CARD].map(name => stored(name, directory)))
  return [...files, ...others.flatMap(file => file ?? [])]
}

async function stored(name: string, directory: string): Promise<StoredFile | undefined> {
  const bytes = await readFile(pathOf(name, directory)).catch(() => undefined)
  return bytes && { name, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** The contract stands in the folder of the model. */
function pathOf(name: string, directory: string): string {
  return join(name === CONTRACT ? dirname(directory) : directory, name)
}
