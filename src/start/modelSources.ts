import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError } from '../errors.js'
import { FolderSource } from '../releases/folder/folderSource.js'
import { FolderWatch } from '../releases/folder/folderWatch.js'
import { type ModelScan, scanModels } from '../releases/folder/scanModels.js'
import { StoreSink } from '../releases/mlflow/storeSink.js'
import type { ReleaseState } from '../releases/rollout/versionStore.js'
import { type ServedContracts, servedContracts } from '../releases/serving/servedContracts.js'
import type { ModelContract } from '../scoring/contract.js'
import { type Kit, warnTo } from './kit.js'
import { type Mlflow, startMlflow } from './mlflow.js'
import type { VersionStoreParts } from './versionStore.js'

const FIRST_VERSIONS_MS = 30_000

export interface ModelSources {
  /** What the API is built from. */
  readonly served: ServedContracts
  /** The same contracts by the name of their model. */
  readonly contracts: ReadonlyMap<string, ModelContract>
  readonly folder: FolderSource
  /** Takes what has changed in the models folder. Returns whether anything has. */
  readonly look: () => Promise<boolean>
  readonly mlflow: Mlflow | undefined
}

/** Brings the versions of the models folder and of MLflow into the version store. The folder names a model's first champion. */
export async function startModelSources(kit: Kit, parts: VersionStoreParts): Promise<ModelSources> {
  const { config } = kit
  const { store, intake, control } = parts
  const warn = warnTo(kit)
  const directory = config.modelsDirectory
  const watch = await FolderWatch.begin(directory)
  const state = await store.state()
  const scan = await scanIfThere(directory, config.mlflow !== undefined || state.rollouts.length > 0, warn)
  const contracts = byName(servedContracts(scan, state))
  const decides = !config.releaseApproval
  const folder = new FolderSource({ intake, control, contracts, decides, warn })
  await folder.bring(scan)
  const aliasDecides = decides && config.mlflow?.aliasDecides === true
  const mlflow = await startMlflow(kit, { intake: new StoreSink({ intake, control, contracts, decides: aliasDecides }) })
  await firstVersions(mlflow, state)
  const served = servedContracts(scan, await store.state())
  for (const [name, contract] of byName(served)) contracts.set(name, contract)
  for (const says of served.warnings) warn('a contract is not as it was', { says })
  const look = () => watch.ifChanged(async () => folder.bring(await scanIfThere(directory, true, warn)))
  return { served, contracts, folder, look, mlflow }
}

/** What stands in the version store serves although the folder is gone. */
async function scanIfThere(directory: string, mayBeGone: boolean, warn: ReturnType<typeof warnTo>): Promise<ModelScan> {
  return scanModels(directory).catch(error => {
    if (!(mayBeGone && error instanceof ConfigError)) throw error
    warn('the models folder is passed over', { problem: error.message })
    return { models: [], strays: [] }
  })
}

/** The API is built from the contracts of the first versions. Later ones are waited for by nobody. */
async function firstVersions(mlflow: Mlflow | undefined, { versions }: ReleaseState): Promise<void> {
  if (!mlflow || versions.some(({ origin }) => origin.source === 'mlflow')) return
  await Promise.race([mlflow.firstAsked, sleep(FIRST_VERSIONS_MS, undefined, { ref: false })])
}

function byName({ contracts }: ServedContracts): Map<string, ModelContract> {
  return new Map(contracts.map(contract => [contract.name, contract]))
}
