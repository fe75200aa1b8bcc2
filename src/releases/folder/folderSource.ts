import { AppError } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import type { InstalledVersion } from '../../scoring/release.js'
import type { VersionFolder } from '../intake/versionFolder.js'
import type { VersionIntake } from '../intake/versionIntake.js'
import type { ReleaseControl } from '../rollout/releaseControl.js'
import type { StoredVersion } from '../rollout/versionStore.js'
import { ofVersion } from './ofVersion.js'
import type { FolderChampion, ModelScan, ScannedModel } from './scanModels.js'

export interface FolderSourceNeeds {
  readonly intake: Pick<VersionIntake, 'take' | 'restore'>
  readonly control: Pick<ReleaseControl, 'says'>
  /** Those of the API, by the name of their model. */
  readonly contracts: ReadonlyMap<string, ModelContract>
  /** Whether a new champion of the folder is promoted; otherwise it is proposed. */
  readonly decides: boolean
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** The models folder as a source of versions. */
export class FolderSource {
  readonly #needs: FolderSourceNeeds
  /** By model: the versions that do not stand in the store as the folder has them. */
  readonly findings = new Map<string, readonly InstalledVersion[]>()
  /** By model: why the folder has no champion for it. */
  readonly championProblems = new Map<string, readonly string[]>()
  #told: ReadonlySet<string> = new Set()
  /** The folders that were found last. */
  #folders: readonly VersionFolder[] = []

  constructor(needs: FolderSourceNeeds) {
    this.#needs = needs
  }

  /** Takes all versions of the folder, and hears which champions it names. */
  async bring({ models, strays }: ModelScan): Promise<void> {
    this.#folders = models.flatMap(({ versions }) => versions)
    const warnings: Warning[] = []
    for (const folder of strays) warnings.push(['a folder holds no model or version and is passed over', { folder }])
    for (const model of models) {
      const contract = this.#needs.contracts.get(model.name)
      if (contract) warnings.push(...(await this.#bringModel(model, contract)))
      else if (model.contract) warnings.push(['a new model serves after a restart', { model: model.name }])
    }
    // What was told before is not told again each time that some file changes.
    for (const [message, fields] of warnings) if (!this.#told.has(keyOf(message, fields))) this.#needs.warn(message, fields)
    this.#told = new Set(warnings.map(([message, fields]) => keyOf(message, fields)))
  }

  /** Puts lost files of a stored version back into the store. False where the folder does not have them. */
  async restore(stored: StoredVersion): Promise<boolean> {
    const folder = this.#folders.find(({ model, version }) => model === stored.model && version === stored.version)
    return folder !== undefined && (await this.#needs.intake.restore(stored, folder))
  }

  async #bringModel(model: ScannedModel, contract: ModelContract): Promise<Warning[]> {
    const { name, champion } = model
    const found: InstalledVersion[] = []
    const warnings: Warning[] = []
    for (const folder of model.versions) {
      const { version } = folder
      const taken = await ofVersion(folder, () => this.#needs.intake.take(folder, contract, { source: 'folder' }))
      if (taken.problems.length > 0) found.push(rejected(folder, taken.problems))
      for (const problem of taken.problems) warnings.push(['a model version is rejected', { model: name, version, problem }])
      const says = 'report' in taken && taken.problems.length === 0 ? taken.report.warnings : []
      for (const warning of says) warnings.push([LEFT_OPEN, { model: name, version, says: warning }])
      // It is champion before the others are compared with it.
      if (version === champion?.version) warnings.push(...(await this.#say(model, champion)))
    }
    if (!champion) this.championProblems.set(name, model.championProblems)
    this.findings.set(name, found)
    return warnings
  }

  async #say({ name }: ScannedModel, { version, saidAt }: FolderChampion): Promise<Warning[]> {
    this.championProblems.set(name, [])
    try {
      const { rollout } = await this.#needs.control.says(name, { source: 'folder', version, at: saidAt }, this.#needs.decides)
      const { champion } = rollout
      return champion === version ? [] : [[OTHER_CHAMPION, { model: name, named: version, champion }]]
    } catch (error) {
      if (!(error instanceof AppError && error.problems.length > 0)) throw error
      this.championProblems.set(
        name,
        error.problems.map(({ message }) => message),
      )
      return []
    }
  }
}

type Warning = readonly [message: string, fields: Record<string, unknown>]

const LEFT_OPEN = 'the checks of a model version leave a warning'
const OTHER_CHAMPION = 'the models folder names another champion than the one that serves'

function rejected({ model, version }: VersionFolder, problems: readonly string[]): InstalledVersion {
  return { model, version, stage: 'REJECTED', manifest: undefined, problems, warnings: [] }
}

function keyOf(message: string, fields: Record<string, unknown>): string {
  return JSON.stringify([message, fields])
}
