import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import type { ModelManifest } from '../../scoring/manifest.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import { versionIdentity } from '../admission/contentDigest.js'
import { readVersion, type VersionOnDisk } from '../admission/readVersion.js'
import { versionsOf } from '../rollout/rollout.js'
import type { StoredFile, StoredVersion, VersionOrigin, VersionStore } from '../rollout/versionStore.js'
import { inFolder } from './storedFolder.js'
import type { VersionChecks } from './versionChecks.js'
import type { VersionFolder } from './versionFolder.js'

const CONTRACT = 'contract.json'
const CARD = 'MODEL_CARD.md'
const OTHER_ANSWERS =
  'a version of this name has served with another graph, other inputs or other bands, and stays. Give this one another name.'

/** What became of a version that a source has brought. */
export interface TakenVersion {
  /** Undefined where it cannot be read. */
  readonly manifest: ModelManifest | undefined
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
    const { model, version } = folder
    const { versions, rollouts } = await this.#store.state()
    const named = (name: string | undefined) => versions.find(stored => stored.model === model && stored.version === name)
    const stored = named(version)
    const rollout = rollouts.find(rollout => rollout.model === model)
    const champion = named(rollout?.champion)
    const read = await this.#read(folder, contract, stored)
    const known = this.#checks.known(read, stored)
    const signed = known ?? (await this.#check(read, champion === stored ? undefined : champion))
    const { report, signature } = signed
    const taken = { manifest: read.manifest, report, problems: report.problems }
    const isThere = stored?.report.content === report.content && stored.signature === signature
    // A text in the store that is not that of its file is written again.
    if (isThere && stored.manifest && stored.contract) return taken
    // A folder that is broken must not take away what serves, or what a rollback goes back to. Nor must another contract: a gateway of
    // another deployment may have it.
    const isNeeded = rollout !== undefined && versionsOf(rollout).includes(version)
    if (stored && isWorse(report, stored.report) && (isNeeded || hasSameFiles(read, stored))) return taken
    const isStored = await this.#store.put({
      model,
      version,
      identity: read.manifest && versionIdentity(read.manifest),
      files: await filesOf(read, folder, stored),
      report,
      signature,
      origin,
      read: file => this.#bytesOf(file, folder, stored),
    })
    return isStored ? taken : { ...taken, problems: [`${model}/${version}: ${OTHER_ANSWERS}`] }
  }

  /** Puts the files of a stored version back from its folder. False where the folder does not have them. */
  async restore(stored: StoredVersion, folder: VersionFolder): Promise<boolean> {
    return this.#store
      .restore(stored.files, ({ name }) => readFile(pathOf(name, folder)))
      .then(
        () => true,
        error => {
          if (error instanceof AppError) throw error
          return false
        },
      )
  }

  /** A version that is stored already is not asked for features that the contract has got since. */
  async #read({ directory, version }: VersionFolder, contract: ModelContract, stored: StoredVersion | undefined) {
    const read = await readVersion(directory, version, contract)
    return stored?.contract && isSame(read, stored) ? readVersion(directory, version, contract, stored.contract) : read
  }

  #bytesOf(file: StoredFile, folder: VersionFolder, stored: StoredVersion | undefined): Promise<Uint8Array> {
    const isKept = stored?.files.some(({ name, sha256 }) => name === file.name && sha256 === file.sha256)
    return isKept ? this.#store.readFile(file.sha256) : readFile(pathOf(file.name, folder))
  }

  /** Compared with the champion, whose folder may be gone. */
  #check(read: VersionOnDisk, champion: StoredVersion | undefined) {
    const { manifest } = champion ?? {}
    if (!champion || !manifest) return this.#checks.check(read, undefined)
    return inFolder(this.#store, champion, directory => this.#checks.check(read, { directory, manifest }))
  }
}

/** Whether a report refuses what the one before allowed. */
export function isWorse(report: AdmissionReport, before: AdmissionReport): boolean {
  const refuses = ({ problems }: AdmissionReport) => problems.length > 0
  const refusesChampion = ({ championProblems }: AdmissionReport) => championProblems.length > 0
  return (refuses(report) && !refuses(before)) || (refusesChampion(report) && !refusesChampion(before) && !refuses(before))
}

function hasSameFiles({ files }: VersionOnDisk, stored: StoredVersion): boolean {
  return files.every(({ name, sha256 }) => stored.files.some(other => other.name === name && other.sha256 === sha256))
}

function isSame({ manifest }: VersionOnDisk, stored: StoredVersion): boolean {
  return manifest !== undefined && stored.manifest !== undefined && versionIdentity(manifest) === versionIdentity(stored.manifest)
}

/** The files to store; none of a version that cannot be read. The contract that a version was made for stays with it. */
async function filesOf(read: VersionOnDisk, folder: VersionFolder, before: StoredVersion | undefined): Promise<StoredFile[]> {
  if (!read.manifest) return []
  const madeFor = before && isSame(read, before) ? before.files.find(({ name }) => name === CONTRACT) : undefined
  const others = await Promise.all([madeFor ?? digestOf(CONTRACT, folder), digestOf(CARD, folder)])
  return [...read.files, ...others.flatMap(file => file ?? [])]
}

async function digestOf(name: string, folder: VersionFolder): Promise<StoredFile | undefined> {
  const bytes = await readFile(pathOf(name, folder)).catch(() => undefined)
  return bytes && { name, sha256: createHash('sha256').update(bytes).digest('hex') }
}

function pathOf(name: string, { directory, contractFile }: VersionFolder): string {
  return name === CONTRACT ? contractFile : join(directory, name)
}
