import { AppError } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import { growthProblems } from '../../scoring/contractGrowth.js'
import type { AliasIntake, BroughtVersion, TakenAlias } from '../mlflow/aliasIntake.js'
import type { ReleaseControl } from '../rollout/releaseControl.js'
import type { VersionOrigin } from '../rollout/versionStore.js'
import type { VersionIntake } from './versionIntake.js'

export interface MlflowSourceNeeds {
  readonly intake: Pick<VersionIntake, 'take'>
  readonly control: Pick<ReleaseControl, 'says'>
  /** Those of the API, by the name of their model; undefined as long as the API is not built. */
  readonly contracts: () => ReadonlyMap<string, ModelContract> | undefined
  /** Whether the version that an alias names is promoted; otherwise it is proposed. */
  readonly decides: boolean
  /** The checks have nothing to do for now. */
  readonly idle: () => Promise<void>
}

/** The aliases of MLflow as a source of versions. */
export class MlflowSource implements AliasIntake {
  readonly #needs: MlflowSourceNeeds

  constructor(needs: MlflowSourceNeeds) {
    this.#needs = needs
  }

  async take(brought: BroughtVersion, origin: VersionOrigin): Promise<TakenAlias> {
    const { intake, contracts, idle } = this.#needs
    const { model, version, directory, contract } = brought
    const built = contracts()
    const served = built?.get(model)
    const misfits = served ? growthProblems(contract, served) : []
    if (misfits.length > 0) {
      const problem = `contract.json does not fit that of ${model} here: ${misfits.join('; ')}. Bring it as another model.`
      return { problems: [problem], waitsForRestart: false }
    }
    const isGrown = contract.features.length > (served?.features.length ?? 0)
    // A version that uses the contract as it is here is checked under it: texts and order of the features are those of the API.
    const { problems } = await intake.take({ model, version, directory }, served && !isGrown ? served : contract, origin)
    await idle()
    return { problems, waitsForRestart: problems.length === 0 && built !== undefined && isGrown }
  }

  async said(model: string, version: string, at: Date): Promise<readonly string[]> {
    try {
      await this.#needs.control.says(model, { source: 'mlflow', version, at }, this.#needs.decides)
      return []
    } catch (error) {
      if (error instanceof AppError && error.problems.length > 0) return error.problems.map(({ message }) => message)
      throw error
    }
  }
}
