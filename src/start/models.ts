import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import { AdmissionProcess } from '../releases/admission/admissionProcess.js'
import { FolderSource } from '../releases/folder/folderSource.js'
import { FolderWatch } from '../releases/folder/folderWatch.js'
import { type ModelScan, scanModels } from '../releases/folder/scanModels.js'
import type { StoredAdmissionNeeds } from '../releases/intake/storedAdmission.js'
import { VersionChecks } from '../releases/intake/versionChecks.js'
import { VersionIntake } from '../releases/intake/versionIntake.js'
import { StoreSink } from '../releases/mlflow/storeSink.js'
import { ModelRegistry } from '../releases/modelRegistry.js'
import { ReleaseControl } from '../releases/rollout/releaseControl.js'
import type { ReleaseState, StoredVersion } from '../releases/rollout/versionStore.js'
import { servedContracts } from '../releases/servedContracts.js'
import { loadRelease } from '../releases/serving/loadRelease.js'
import { openVersion } from '../releases/serving/openVersion.js'
import { RolloutFollower } from '../releases/serving/rolloutFollower.js'
import type { ReleaseParts } from '../resolvers/releaseResolver.js'
import type { ModelContract } from '../scoring/contract.js'
import type { ReceiveDelivery } from '../server/mlflowWebhook.js'
import { PostgresRolloutStore } from '../storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../storage/releases/versionStore.js'
import { type Kit, warnTo } from './kit.js'
import { type Mlflow, startMlflow } from './mlflow.js'
import { loadOptions, startServing } from './serving.js'

// A rollback must reach every gateway within a second.
const FOLLOW_EVERY_MS = 250
const WATCH_EVERY_MS = 1_000
const FIRST_VERSIONS_MS = 30_000

export interface Models {
  readonly registry: ModelRegistry
  /** Undefined where webhooks of MLflow are not taken. */
  readonly mlflowWebhook: ReceiveDelivery | undefined
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
  const { config, database, metrics, onStop, upkeep } = kit
  const warn = warnTo(kit)
  const store = new PostgresVersionStore(database)
  const admission = new AdmissionProcess(config.admission)
  onStop(() => admission.close())
  const checks = new VersionChecks(admission, config.releaseKey, signal)
  const isTrusted = (version: StoredVersion) => checks.isTrusted(version)
  const rollouts = new PostgresRolloutStore(database)
  const control = new ReleaseControl(rollouts, { isTrusted, needsApproval: config.releaseApproval })
  const watch = await FolderWatch.begin(config.modelsDirectory)
  const intake = new VersionIntake(store, checks)
  const contractOf = new Map<string, ModelContract>()
  const before = await store.state()
  const scan = await scanIfThere(config.modelsDirectory, config.mlflow !== undefined || before.rollouts.length > 0, warn)
  let isFolderHeard = false
  const hears = (model: string) => isFolderHeard || !scan.models.some(({ name }) => name === model)
  const mlflow = await startMlflow(kit, {
    intake: new StoreSink({ intake, control, contracts: contractOf, decides: aliasDecides(config), hears }),
  })
  const isNew = await firstVersions(mlflow, before)
  const state = await store.state()
  const { contracts, withoutContract, warnings } = servedContracts(scan, state)
  for (const contract of contracts) contractOf.set(contract.name, contract)
  for (const says of warnings) warn('a contract is not as it was', { says })
  const registry = new ModelRegistry(
    contracts.map(contract => ({ contract, champion: undefined, versions: [] })),
    withoutContract,
  )
  const source = new FolderSource({ intake, control, contracts: contractOf, decides: !config.releaseApproval, warn })
  const follower = new RolloutFollower({
    store,
    serving: startServing(kit, registry),
    contracts,
    findings: source.findings,
    load: async (version, contract, purpose) =>
      loadRelease(await openVersion(version, contract, { store, checks }), loadOptions(kit, purpose)),
    champion: version => mlflow?.follower.served(version),
    warn,
  })
  await source.bring(scan)
  isFolderHeard = true
  await sayAgain(mlflow, isNew)
  await follower.followNow()
  await admission.close()
  requireChampion(registry, source, config.modelsDirectory)
  upkeep({ name: 'rollouts', everyMs: FOLLOW_EVERY_MS, withAnyClock: true, run: () => follower.follow() })
  const look = async () => {
    if (!(await watch.hasChanged())) return
    await source.bring(await scanModels(config.modelsDirectory))
    await follower.followNow()
    await admission.close()
  }
  upkeep({ name: 'models folder', everyMs: WATCH_EVERY_MS, withAnyClock: true, run: look })
  metrics.gauges('model_serving', 'Whether a version of the model serves; 1 or 0.', 'model', () => serving(registry))
  return {
    registry,
    mlflowWebhook: mlflow?.receive,
    releases: { control, rollouts, isTrusted, admission: { store, checks, contracts: contractOf } },
  }
}

/**
 * Waits for the first versions of MLflow: the API is built from their contracts. Later ones are waited for by nobody. Returns whether it
 * waited.
 */
async function firstVersions(mlflow: Mlflow | undefined, { versions }: ReleaseState): Promise<boolean> {
  if (!mlflow || versions.some(({ origin }) => origin.source === 'mlflow')) return false
  await inTime(mlflow.firstAsked)
  return true
}

/** What an alias named before the models folder had named its champions was not heard. */
async function sayAgain(mlflow: Mlflow | undefined, isWaitedFor: boolean): Promise<void> {
  const said = mlflow?.follower.poke()
  if (isWaitedFor) await inTime(said)
}

async function inTime(work: Promise<void> | undefined): Promise<void> {
  await Promise.race([work, sleep(FIRST_VERSIONS_MS, undefined, { ref: false })])
}

/** With approval by a second person, an alias alone decides nothing. */
function aliasDecides({ mlflow, releaseApproval }: Config): boolean {
  return mlflow?.aliasDecides === true && !releaseApproval
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
