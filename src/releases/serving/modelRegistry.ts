import { AppError } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import type { InstalledVersion, Release, Releases } from '../../scoring/release.js'
import { isInShare } from './challengerShare.js'

/** A release with its share of the applicants, above 0 and at most 1. */
export interface SharedRelease {
  readonly release: Release
  readonly share: number
}

/** A release that scores stored predictions once more, in a worker of its own. */
export interface ShadowRelease extends SharedRelease {
  /** Only predictions of this version; undefined: those of all. */
  readonly beside: string | undefined
}

/** A model as it serves at one moment. It never changes: another one replaces it. */
export interface ModelEntry {
  readonly contract: ModelContract
  /** Undefined where no version may serve. */
  readonly champion: Release | undefined
  /** Answers its share of the applicants in place of the champion. */
  readonly challenger?: SharedRelease | undefined
  /** They answer nobody. */
  readonly shadows?: readonly ShadowRelease[]
  readonly versions: readonly InstalledVersion[]
  /** Why a version that should serve does not. */
  readonly problems?: readonly string[]
}

/** A model whose contract cannot be used, with the reasons. */
export interface ModelWithoutContract {
  readonly name: string
  readonly problems: readonly string[]
}

/** The models with a valid contract, and all their versions. */
export class ModelRegistry implements Releases {
  readonly #entries: Map<string, ModelEntry>
  readonly #problemsOf: ReadonlyMap<string, readonly string[]>

  constructor(entries: readonly ModelEntry[], withoutContract: readonly ModelWithoutContract[] = []) {
    this.#entries = new Map(entries.map(entry => [entry.contract.name, entry]))
    this.#problemsOf = new Map(withoutContract.map(({ name, problems }) => [name, problems]))
  }

  get models(): readonly ModelEntry[] {
    return [...this.#entries.values()]
  }

  get champions(): readonly Release[] {
    return this.models.flatMap(({ champion }) => champion ?? [])
  }

  /** The releases that answer callers. */
  get answering(): readonly Release[] {
    return this.models.flatMap(answeringReleases)
  }

  /** Names of the models that no version serves just now, also of those without a valid contract. */
  get notServing(): readonly string[] {
    const withoutChampion = this.models.filter(({ champion }) => champion?.isAway ?? true).map(({ contract }) => contract.name)
    return [...this.#problemsOf.keys(), ...withoutChampion].sort()
  }

  /** Why versions that should serve do not, by model; where another version goes on, too. */
  get problems(): readonly string[] {
    return this.models.flatMap(({ problems = [] }) => problems)
  }

  model(name: string): ModelEntry | undefined {
    return this.#entries.get(name)
  }

  /** From now on the model serves so. @throws Error for a model that was not here at the start: the API has no input for it */
  replace(entry: ModelEntry): void {
    const { name } = entry.contract
    if (!this.#entries.has(name)) throw new Error(`The model ${name} is new: it serves after a restart.`)
    this.#entries.set(name, entry)
  }

  version(model: string, version: string): InstalledVersion | undefined {
    const problems = this.#problemsOf.get(model)
    if (problems) return { model, version, stage: 'REJECTED', manifest: undefined, problems, warnings: [] }
    return this.model(model)?.versions.find(installed => installed.version === version)
  }

  serving(model: string, applicantId: string): Release {
    const entry = this.#entries.get(model)
    if (!entry) throw new AppError('MODEL_NOT_FOUND', 'No model of this name serves here. The models query lists those that do.')
    const { champion, challenger } = entry
    if (challenger && isInShare(model, challenger.release.manifest.version, applicantId, challenger.share))
      return challenger.release
    if (champion) return champion
    throw new AppError('SERVICE_UNAVAILABLE', 'No version of this model may serve. Tell the operator.')
  }
}

/** The releases of a model that answer callers. */
export function answeringReleases({ champion, challenger }: ModelEntry): Release[] {
  return [champion, challenger?.release].filter(release => release !== undefined)
}
