import { AppError } from '../errors.js'
import type { ModelContract } from '../scoring/contract.js'
import type { InstalledVersion, Release, Releases } from '../scoring/release.js'

export interface ModelEntry {
  readonly contract: ModelContract
  readonly champion: Release
  readonly versions: readonly InstalledVersion[]
}

/** The models in service with all their versions. */
export class ModelRegistry implements Releases {
  readonly #entries: ReadonlyMap<string, ModelEntry>

  constructor(entries: readonly ModelEntry[]) {
    this.#entries = new Map(entries.map(entry => [entry.contract.name, entry]))
  }

  get models(): readonly ModelEntry[] {
    return [...this.#entries.values()]
  }

  model(name: string): ModelEntry | undefined {
    return this.#entries.get(name)
  }

  version(model: string, version: string): InstalledVersion | undefined {
    return this.model(model)?.versions.find(({ manifest }) => manifest.version === version)
  }

  /** The champion answers every applicant. */
  serving(model: string, _applicantId: string): Release {
    const entry = this.model(model)
    if (!entry) throw new AppError('MODEL_NOT_FOUND', 'No model of this name serves here. The models query lists those that do.')
    return entry.champion
  }
}
