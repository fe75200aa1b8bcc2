import { AppError } from '../errors.js'
import type { ModelContract } from '../scoring/contract.js'
import type { InstalledVersion, Release, Releases } from '../scoring/release.js'

export interface ModelEntry {
  readonly contract: ModelContract
  /** Undefined where no version may serve. */
  readonly champion: Release | undefined
  readonly versions: readonly InstalledVersion[]
}

/** A model whose contract cannot be used, with the reasons. */
export interface ModelWithoutContract {
  readonly name: string
  readonly problems: readonly string[]
}

/** The models with a valid contract, and all their versions. */
export class ModelRegistry implements Releases {
  readonly #entries: ReadonlyMap<string, ModelEntry>
  readonly #problemsOf: ReadonlyMap<string, readonly string[]>
  /** Names of the models that no version serves, also of those without a valid contract. */
  readonly notServing: readonly string[]

  constructor(entries: readonly ModelEntry[], withoutContract: readonly ModelWithoutContract[] = []) {
    this.#entries = new Map(entries.map(entry => [entry.contract.name, entry]))
    this.#problemsOf = new Map(withoutContract.map(({ name, problems }) => [name, problems]))
    const withoutChampion = entries.filter(({ champion }) => !champion).map(({ contract }) => contract.name)
    this.notServing = [...this.#problemsOf.keys(), ...withoutChampion].sort()
  }

  get models(): readonly ModelEntry[] {
    return [...this.#entries.values()]
  }

  get champions(): readonly Release[] {
    return this.models.flatMap(({ champion }) => champion ?? [])
  }

  model(name: string): ModelEntry | undefined {
    return this.#entries.get(name)
  }

  version(model: string, version: string): InstalledVersion | undefined {
    const problems = this.#problemsOf.get(model)
    if (problems) return { model, version, stage: 'REJECTED', manifest: undefined, problems, warnings: [] }
    return this.model(model)?.versions.find(installed => installed.version === version)
  }

  /** The champion answers every applicant. */
  serving(model: string, _applicantId: string): Release {
    const entry = this.model(model)
    if (!entry) throw new AppError('MODEL_NOT_FOUND', 'No model of this name serves here. The models query lists those that do.')
    if (entry.champion) return entry.champion
    throw new AppError('SERVICE_UNAVAILABLE', 'No version of this model may serve. Tell the operator.')
  }
}
