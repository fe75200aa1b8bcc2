import { AppError } from '../../errors.js'
import { contractSchema, type ModelContract } from '../../scoring/contract.js'
import { growthProblems } from '../../scoring/contractGrowth.js'
import { readJson } from '../files/readFiles.js'
import type { VersionFolder } from '../intake/versionFolder.js'
import type { VersionIntake } from '../intake/versionIntake.js'
import type { ReleaseControl } from '../rollout/releaseControl.js'
import type { VersionOrigin } from '../rollout/versionStore.js'
import { MlflowError } from './mlflowError.js'
import type { TakenFromMlflow, VersionSink } from './versionSink.js'

export interface StoreSinkNeeds {
  readonly intake: Pick<VersionIntake, 'take'>
  readonly control: Pick<ReleaseControl, 'says'>
  /** Those of the API, by the name of their model; until it is built, those that are known. */
  readonly contracts: ReadonlyMap<string, ModelContract>
  /** Whether the version of an alias is promoted; otherwise it is proposed. */
  readonly decides: boolean
}

/** Puts the versions of MLflow into the version store, and hears what the aliases say. */
export class StoreSink implements VersionSink {
  readonly #needs: StoreSinkNeeds

  constructor(needs: StoreSinkNeeds) {
    this.#needs = needs
  }

  async take(folder: VersionFolder, origin: VersionOrigin): Promise<TakenFromMlflow> {
    const { intake, contracts } = this.#needs
    const own = await ownContract(folder)
    const served = contracts.get(folder.model)
    const misfits = served ? growthProblems(own, served) : []
    if (misfits.length > 0) {
      const problem = `contract.json does not fit that of ${folder.model} here: ${misfits.join('; ')}. Bring it as another model.`
      return { problems: [problem], waitsForRestart: false }
    }
    const isGrown = served !== undefined && own.features.length > served.features.length
    const { problems } = await intake.take(folder, served && !isGrown ? served : own, origin)
    return { problems, waitsForRestart: isGrown && problems.length === 0 }
  }

  async said(model: string, version: string, at: Date): Promise<readonly string[]> {
    const { control, decides } = this.#needs
    try {
      await control.says(model, { source: 'mlflow', version, at }, decides)
      return []
    } catch (error) {
      // What the rules refuse is told as a reason, not as a failure of this gateway.
      if (error instanceof AppError && error.problems.length > 0) return error.problems.map(({ message }) => message)
      throw error
    }
  }
}

/** That of the bundle. */
async function ownContract({ model, contractFile }: VersionFolder): Promise<ModelContract> {
  const read = await readJson(contractFile, `${model}/contract.json`, contractSchema)
  if ('problems' in read) throw new MlflowError('UNSUPPORTED', read.problems.join(' '))
  return read.value
}
