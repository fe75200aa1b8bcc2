import { ConfigError } from '../errors.js'
import type { FolderSource } from '../releases/folder/folderSource.js'
import { loadRelease } from '../releases/serving/loadRelease.js'
import { ModelRegistry } from '../releases/serving/modelRegistry.js'
import { openVersion } from '../releases/serving/openVersion.js'
import { RolloutFollower } from '../releases/serving/rolloutFollower.js'
import { type Kit, warnTo } from './kit.js'
import { type ModelSources, startModelSources } from './modelSources.js'
import { loadOptions, startServing } from './serving.js'
import { startVersionStore, type VersionStoreParts } from './versionStore.js'

// A rollback must reach every gateway within a second.
const FOLLOW_EVERY_MS = 250
const WATCH_EVERY_MS = 1_000

export interface Models {
  readonly registry: ModelRegistry
  readonly sources: ModelSources
  readonly versionStore: VersionStoreParts
}

/**
 * Brings versions into the version store, and serves what the rollouts say. Both go on from then on.
 * @throws ConfigError where no model can serve
 */
export async function startModels(kit: Kit, { signal }: { signal: AbortSignal }): Promise<Models> {
  const { metrics, upkeep } = kit
  const versionStore = await startVersionStore(kit, { signal })
  const { store, restChecks } = versionStore
  const sources = await startModelSources(kit, versionStore)
  const { contracts, withoutContract } = sources.served
  const registry = new ModelRegistry(
    contracts.map(contract => ({ contract, champion: undefined, versions: [] })),
    withoutContract,
  )
  const follower = new RolloutFollower({
    store,
    serving: startServing(kit, registry),
    contracts,
    findings: sources.folder.findings,
    load: async (version, contract, purpose) => {
      const open = () => openVersion(version, contract, versionStore)
      const admitted = await open().catch(async error => {
        if (!(await sources.folder.restore(version))) throw error
        return open()
      })
      return loadRelease(admitted, loadOptions(kit, purpose))
    },
    champion: version => sources.mlflow?.follower.served(version),
    warn: warnTo(kit),
  })
  await follower.followNow()
  await restChecks()
  tellWhoDoesNotServe(kit, registry, sources.folder)
  upkeep({ name: 'rollouts', everyMs: FOLLOW_EVERY_MS, withAnyClock: true, run: () => follower.follow() })
  const look = async () => {
    if (!(await sources.look())) return
    await follower.followNow()
    await restChecks()
  }
  upkeep({ name: 'models folder', everyMs: WATCH_EVERY_MS, withAnyClock: true, run: look })
  metrics.gauges('model_in_step', 'Whether the versions of the model that the rollout names serve; 1 or 0.', 'model', () =>
    inStep(registry),
  )
  metrics.gauges('model_serving', 'Whether a version of the model serves; 1 or 0.', 'model', () => serving(registry))
  return { registry, sources, versionStore }
}

/** @throws ConfigError where no model can serve */
function tellWhoDoesNotServe(kit: Kit, registry: ModelRegistry, { championProblems }: FolderSource): void {
  const told = registry.notServing.map(name => ({
    model: name,
    problems: [
      ...(registry.model(name)?.problems ?? []),
      ...(championProblems.get(name) ?? registry.version(name, '')?.problems ?? []),
    ],
  }))
  if (registry.champions.length === 0) {
    const first = `RISKGATE_MODELS_DIR: no model in ${kit.config.modelsDirectory} can serve.`
    throw new ConfigError([first, ...told.flatMap(({ problems }) => problems)])
  }
  const warn = warnTo(kit)
  for (const { model, problems } of told) for (const problem of problems) warn('a model does not serve', { model, problem })
}

function inStep({ models }: ModelRegistry): Record<string, number> {
  return Object.fromEntries(models.map(({ contract, problems = [] }) => [contract.name, problems.length === 0 ? 1 : 0] as const))
}

function serving({ champions, notServing }: ModelRegistry): Record<string, number> {
  return Object.fromEntries([
    ...champions.map(({ contract }) => [contract.name, 1] as const),
    ...notServing.map(name => [name, 0] as const),
  ])
}
