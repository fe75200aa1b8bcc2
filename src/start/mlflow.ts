import { join } from 'node:path'
import { makeStateDirectory } from '../config/stateDirectory.js'
import { unexpected } from '../observability/logger.js'
import { showFromZero } from '../observability/metrics.js'
import { ArtifactCache } from '../releases/mlflow/artifactCache.js'
import { folderLimits } from '../releases/mlflow/downloadFolder.js'
import { MlflowClient } from '../releases/mlflow/mlflowClient.js'
import { FOLLOW_PROBLEMS, type FollowReports, MlflowFollower } from '../releases/mlflow/mlflowFollower.js'
import { MlflowHttp } from '../releases/mlflow/mlflowHttp.js'
import { RegistryDeliveries } from '../releases/mlflow/registryDeliveries.js'
import type { VersionSink } from '../releases/mlflow/versionSink.js'
import type { ReceiveDelivery } from '../server/mlflowWebhook.js'
import type { EarlyKit } from './kit.js'

const TIMEOUT_MS = 15_000

export interface Mlflow {
  readonly follower: MlflowFollower
  /** Ends when each alias has been asked for once, which may take as long as a download and a check. */
  readonly firstAsked: Promise<void>
  /** Undefined where webhooks are not taken. */
  readonly receive: ReceiveDelivery | undefined
}

/** Follows MLflow where that is set. */
export async function startMlflow(kit: EarlyKit, { intake }: { intake: VersionSink }): Promise<Mlflow | undefined> {
  const { config, metrics, onStop } = kit
  if (config.mlflow === undefined) return undefined
  const { url, token, basic, models, pollMs, maxBytes, downloadMs, webhookSecret } = config.mlflow
  await makeStateDirectory(config.stateDirectory)
  const end = new AbortController()
  const follower = new MlflowFollower({
    client: new MlflowClient(new MlflowHttp({ url, token, basic, timeoutMs: TIMEOUT_MS, end: end.signal })),
    cache: new ArtifactCache(join(config.stateDirectory, 'mlflow')),
    limits: folderLimits(maxBytes, downloadMs),
    intake,
    models,
    pollMs,
    reports: reportsOf(kit),
  })
  onStop(() => {
    end.abort()
    return follower.stop()
  })
  showFromZero(metrics.mlflowFailures, 'code', FOLLOW_PROBLEMS)
  metrics.gauge('mlflow_up', 'Whether MLflow answers as it should; 1 or 0.', () => (follower.isUp ? 1 : 0))
  metrics.gauges(
    'mlflow_in_step',
    'Whether the version that the alias of a registered model names was taken; 1 or 0.',
    'model',
    () => Object.fromEntries(Object.entries(follower.inStep).map(([model, isInStep]) => [model, isInStep ? 1 : 0])),
  )
  const firstAsked = follower.start()
  const deliveries = webhookSecret === undefined ? undefined : new RegistryDeliveries(webhookSecret, name => follower.poke(name))
  return { follower, firstAsked, receive: deliveries && (delivery => deliveries.receive(delivery)) }
}

function reportsOf({ metrics, logger }: EarlyKit): FollowReports {
  return {
    failed: code => metrics.mlflowFailures.inc({ code }),
    trouble: ({ model, code, reason, error }) => {
      const fields = { model, code, ...(reason === undefined ? unexpected(error) : { reason }) }
      if (code === 'TAGS_REFUSED') logger.warn(fields, 'the status of a version could not be written to MLflow')
      else logger.warn(fields, 'a model of MLflow is not followed')
    },
    recovered: model => logger.info({ model }, 'a model of MLflow is followed again'),
    taken: (name, { registered, model, version }) =>
      logger.info({ name, registered, model, version }, 'a version was taken from MLflow'),
  }
}
