import type { ModelContract } from '../../scoring/contract.js'
import { growthProblems } from '../../scoring/contractGrowth.js'
import type { ModelFolders } from '../files/modelFolders.js'
import type { ReleaseState, StoredVersion } from '../rollout/versionStore.js'
import type { ModelWithoutContract } from './modelRegistry.js'

export interface ServedContracts {
  readonly contracts: readonly ModelContract[]
  readonly withoutContract: readonly ModelWithoutContract[]
  /** What an operator should know. */
  readonly warnings: readonly string[]
}

/**
 * The contracts that the API is built from: that of the models folder, or where it has none that can be used, the stored one of the
 * champion with the optional features that newer versions have brought.
 */
export function servedContracts(
  { models }: Pick<ModelFolders, 'models'>,
  state: Pick<ReleaseState, 'versions' | 'rollouts'>,
): ServedContracts {
  const contracts = new Map(models.flatMap(({ name, contract }) => (contract ? [[name, contract] as const] : [])))
  const problemsOf = new Map(models.flatMap(({ name, contract, problems }) => (contract ? [] : [[name, problems] as const])))
  const warnings: string[] = []
  for (const { model, champion } of state.rollouts) {
    const versions = state.versions.filter(version => version.model === model)
    const stored = storedContract(versions, champion)
    const own = contracts.get(model)
    if (!stored) continue
    if (own)
      warnings.push(...growthProblems(own, stored).map(problem => `${model}/contract.json: ${problem}. Clients may break.`))
    else if ([...contracts.values()].some(({ inputField }) => inputField === stored.inputField)) {
      problemsOf.set(model, [`${model}: another model of the models folder has its inputField ${stored.inputField}.`])
    } else {
      for (const problem of problemsOf.get(model) ?? []) warnings.push(`${problem} The stored contract of ${model} serves.`)
      problemsOf.delete(model)
      contracts.set(model, stored)
    }
  }
  const withoutContract = [...problemsOf].map(([name, problems]) => ({ name, problems }))
  return { contracts: [...contracts.values()], withoutContract, warnings }
}

/** The contract of the champion, or one of another version that has the same features and more optional ones. */
function storedContract(versions: readonly StoredVersion[], champion: string | undefined): ModelContract | undefined {
  const first = versions.find(({ version }) => version === champion)?.contract
  return versions.reduce(
    (widest, { contract, report }) =>
      widest && contract && report.problems.length === 0 && growthProblems(contract, widest).length === 0 ? contract : widest,
    first,
  )
}
