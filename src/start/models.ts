import { ConfigError } from '../errors.js'
import type { Metrics } from '../observability/metrics.js'
import { AdmissionProcess } from '../releases/admission/admissionProcess.js'
import { FolderSource } from '../releases/folder/folderSource.js'
import { FolderWatch } from '../releases/folder/folderWatch.js'
import { type ModelScan, scanModels } from '../releases/folder/scanModels.js'
import type { StoredAdmissionNeeds } from '../releases/intake/storedAdmission.js'
import { VersionChecks } from '../releases/intake/versionChecks.js'
import { VersionIntake } from '../releases/intake/versionIntake.js'
import { ModelRegistry } from '../releases/modelRegistry.js'
import { ReleaseControl } from '../releases/rollout/releaseControl.js'
import type { StoredVersion } from '../releases/rollout/versionStore.js'
import { servedContracts } from '../releases/servedContracts.js'
import { loadRelease } from '../releases/serving/loadRelease.js'
import { openVersion } from '../releases/serving/openVersion.js'
import { RolloutFollower } from '../releases/serving/rolloutFollower.js'
import type { ReleaseParts } from '../resolvers/releaseResolver.js'
import { RISK_BANDS } from '../scoring/bands.js'
import type { ModelContract } from '../scoring/contract.js'
import { PostgresRolloutStore } from '../storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../storage/releases/versionStore.js'
import { type Kit, warnTo } from './kit.js'
import { type Mlflow, startMlflow } from './mlflow.js'
import { startServing } from './serving.js'

// A rollback must reach every gateway within a second.
const FOLLOW_EVERY_MS = 250
const WATCH_EVERY_MS = 2_000

export interface Models {
  readonly registry: ModelRegistry
  /** Undefined where no registry is followed. */
  readonly mlflow: Mlflow | undefined
  readonly releases: Releases
}

/** What people and sources change rollouts by. */
type Releases = Pick<ReleaseParts, 'control' | 'rollouts' | 'isTrusted'> & {
  readonly admission: Omit<StoredAdmissionNeeds, 'audit'>
}

/**
 * Takes the versions of the models folder into the version store, and serves what the rollouts say. Both are followed from then on.
 * @throws ConfigError where no model can serve
 */
export async function startModels(kit: Kit, { signal }: { signal: AbortSignal }): Promise<Models> {
  const { config, database, metrics, tracer, onStop, upkeep } = kit
  const warn = warnTo(kit)
  const store = new PostgresVersionStore(database)
  const admission = new AdmissionProcess(config.admission)
  onStop(() => admission.close())
  const checks = new VersionChecks(admission, config.releaseKey, signal)
  const isTrusted = (version: StoredVersion) => checks.isTrusted(version)
  const rollouts = new PostgresRolloutStore(database)
  const control = new ReleaseControl(rollouts, { isTrusted, needsApproval: config.releaseApproval })
  const intake = new VersionIntake(store, checks)
  const watch = await FolderWatch.begin(config.modelsDirectory)
  let contractOf: ReadonlyMap<string, ModelContract> | undefined
  const idle = () => admission.close()
  const mlflow = await startMlflow(kit, { intake, control, contracts: () => contractOf, idle })
  let state = await store.state()
  const scan = await scanIfThere(config.modelsDirectory, mlflow !== undefined || state.rollouts.length > 0, warn)
  if (mlflow && servedContracts(scan, state).contracts.length === 0) {
    // The first start of an installation whose models are all in MLflow.
    await mlflow.begin()
    state = await store.state()
  }
  const { contracts, withoutContract, warnings } = servedContracts(scan, state)
  for (const says of warnings) warn('a contract is not as it was', { says })
  const registry = new ModelRegistry(
    contracts.map(contract => ({ contract, champion: undefined, versions: [] })),
    withoutContract,
  )
  const byName = new Map(contracts.map(contract => [contract.name, contract]))
  contractOf = byName
  const source = new FolderSource({ intake, control, contracts: byName, decides: !config.releaseApproval, warn })
  const follower = new RolloutFollower({
    store,
    serving: startServing(kit, registry),
    contracts,
    findings: source.findings,
    changed: mlflow?.changed,
    load: async (version, contract, purpose) =>
      loadRelease(await openVersion(version, contract, { store, checks }), {
        observeScoring: ({ model, version }, seconds) => metrics.scoringSeconds.of(model, version).observe(seconds),
        warn,
        tracer,
        workerEnded: ({ model, version }) => metrics.workersEnded.inc({ model, version }),
        alwaysInWorker: purpose === 'shadow',
      }),
    warn,
  })
  await source.bring(scan)
  await follower.followNow()
  await admission.close()
  requireChampion(registry, source, config.modelsDirectory)
  // It may download for minutes, and what is stored serves meanwhile.
  void mlflow?.begin()
  upkeep({ name: 'rollouts', everyMs: FOLLOW_EVERY_MS, withAnyClock: true, run: () => follower.follow() })
  const look = async () => {
    if (!(await watch.hasChanged())) return
    await source.bring(await scanModels(config.modelsDirectory))
    await follower.followNow()
    await admission.close()
  }
  upkeep({ name: 'models folder', everyMs: WATCH_EVERY_MS, withAnyClock: true, run: look })
  metrics.gauges('model_serving', 'Whether a version of the model serves; 1 or 0.', 'model', () => serving(registry))
  return { registry, mlflow, releases: { control, rollouts, isTrusted, admission: { store, checks, contracts: byName } } }
}

/** What stands in the version store serves although the folder is gone. */
async function scanIfThere(directory: string, isStored: boolean, warn: ReturnType<typeof warnTo>): Promise<ModelScan> {
  return scanModels(directory).catch(error => {
    if (!(isStored && error instanceof ConfigError)) throw error
    warn('the models folder is passed over', { problem: error.message })
    return { models: [], strays: [] }
  })
}

function requireChampion(registry: ModelRegistry, { championProblems }: FolderSource, directory: string): void {
  if (registry.champions.length > 0) return
  const problems = registry.notServing.flatMap(name => [
    ...(registry.model(name)?.problems ?? []),
    ...(championProblems.get(name) ?? registry.version(name, '')?.problems ?? []),
  ])
  throw new ConfigError([`RISKGATE_MODELS_DIR: no model in ${directory} can serve.`, ...problems])
}

function serving({ champions, notServing }: ModelRegistry): Record<string, number> {
  return Object.fromEntries([
    ...champions.map(({ contract }) => [contract.name, 1] as const),
    ...notServing.map(name => [name, 0] as const),
  ])
}

/** Shows the counters of a version at zero: the share of high risk would be unknown until the first. */
export function showFromZeroFor({ model, version }: { model: string; version: string }, metrics: Metrics): void {
  metrics.highRisk.of(model, version)
  for (const band of RISK_BANDS) metrics.predictions.of(model, version, band)
}
