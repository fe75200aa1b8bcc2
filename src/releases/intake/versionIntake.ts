import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelContract } from '../../scoring/contract.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import { readVersion, type VersionOnDisk } from '../admission/readVersion.js'
import type { VersionFolder } from '../folder/scanModels.js'
import { versionsOf } from '../rollout/rollout.js'
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
  async take(folder: VersionFolder, contract: ModelContract, origin: VersionOrigin): Promise<TakenVersion> {
    const { model, version, directory } = folder
    const { versions, rollouts } = await this.#store.state()
    const named = (name: string | undefined) => versions.find(stored => stored.model === model && stored.version === name)
    const stored = named(version)
    const rollout = rollouts.find(rollout => rollout.model === model)
    const champion = named(rollout?.champion)
    const read = await readVersion(directory, version, contract)
    const known = this.#checks.known(read, stored)
    const signed = known ?? (await this.#check(read, champion === stored ? undefined : champion))
    const { report, signature } = signed
    if (stored && stored.report.content === report.content && stored.signature === signature)
      return { report, problems: report.problems }
    // A folder that is broken must not take away what serves, or what a rollback goes back to.
    const isNeeded = rollout !== undefined && versionsOf(rollout).includes(version)
    if (isNeeded && report.problems.length > 0) return { report, problems: report.problems }
    const isStored = await this.#store.put({
      model,
      version,
      files: await filesOf(read, folder),
      report,
      signature,
      origin,
      read: ({ name }) => readFile(pathOf(name, folder)),
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
async function filesOf({ files, manifest }: VersionOnDisk, folder: VersionFolder): Promise<StoredFile[]> {
  if (!manifest) return []
  const others = await Promise.all([CONTRACT, CARD].map(name => stored(name, folder)))
  return [...files, ...others.flatMap(file => file ?? [])]
}

async function stored(name: string, folder: VersionFolder): Promise<StoredFile | undefined> {
  const bytes = await readFile(pathOf(name, folder)).catch(() => undefined)
  return bytes && { name, sha256: createHash('sha256').update(bytes).digest('hex') }
}

function pathOf(name: string, { directory, contractFile }: VersionFolder): string {
  return name === CONTRACT ? contractFile : join(directory, name)
}
