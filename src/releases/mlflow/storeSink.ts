import { AppError } from '../../errors.js'
import { contractSchema, type ModelContract } from '../../scoring/contract.js'
import type { VersionFolder } from '../folder/scanModels.js'
import type { VersionIntake } from '../intake/versionIntake.js'
import { readJson } from '../modelFiles.js'
import type { ReleaseControl } from '../rollout/releaseControl.js'
import type { VersionOrigin } from '../rollout/versionStore.js'
import { MlflowError } from './mlflowError.js'
import type { VersionSink } from './versionSink.js'

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

  async take(folder: VersionFolder, origin: VersionOrigin): Promise<{ readonly problems: readonly string[] }> {
    const { intake, contracts } = this.#needs
    const contract = contracts.get(folder.model) ?? (await ownContract(folder))
    return intake.take(folder, contract, origin)
  }

  async said(model: string, version: string): Promise<void> {
    const { control, decides } = this.#needs
    await control.says(model, { source: 'mlflow', version }, decides).catch(error => {
      // What the rules refuse is told as a reason, not as a failure of this gateway.
      if (error instanceof AppError && error.problems.length > 0) throw new MlflowError('UNSUPPORTED', error.message)
      throw error
    })
  }
}

/** That of a model that the API does not have yet. */
async function ownContract({ model, contractFile }: VersionFolder): Promise<ModelContract> {
  const read = await readJson(contractFile, `${model}/contract.json`, contractSchema)
  if ('problems' in read) throw new MlflowError('UNSUPPORTED', read.problems.join(' '))
  return read.value
}
