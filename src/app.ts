// TypeGraphQL's decorators need it before the first of them runs.
import 'reflect-metadata'

import { Authenticator } from './auth/authenticator.js'
import { Withdrawals } from './auth/withdrawals.js'
import type { Config } from './config/config.js'
import { createLogger, unexpected } from './observability/logger.js'
import { Metrics } from './observability/metrics.js'
import { startAlertFeed } from './start/alertFeed.js'
import { startApi } from './start/api.js'
import { startApiKeys } from './start/apiKeys.js'
import { startAudit } from './start/audit.js'
import { startCertificate } from './start/certificate.js'
import { startClock } from './start/clock.js'
import { startDatabase } from './start/database.js'
import { explainStart } from './start/databaseProblem.js'
import type { EarlyKit } from './start/kit.js'
import { startModels } from './start/models.js'
import { startPartitions } from './start/partitions.js'
import { startPredictions } from './start/predictions.js'
import { startReleases } from './start/releases.js'
import { startReplicas } from './start/replicas.js'
import { startServer } from './start/server.js'
import { startShadows } from './start/serving.js'
import { startStatistics } from './start/statistics.js'
import { startTexts } from './start/texts.js'
import { startTokens, writeTokens } from './start/tokens.js'
import { startTracing } from './start/tracing.js'
import { startRetention, startUpkeep } from './start/upkeep.js'
import { startWebhooks } from './start/webhooks.js'
import type { UpkeepTask } from './storage/postgres/upkeep.js'

/** The kit before any part has started. */
type BareKit = Omit<EarlyKit, 'tracer' | 'upkeep'>

export interface App {
  /**
   * Starts everything in order. Where a part fails, the parts before it are stopped again. Returns the address that the gateway
   * listens at. Rejects once the app has been stopped.
   */
  start(): Promise<{ url: string; developmentFile?: string }>
  /**
   * Stops everything in the reverse order. May be called twice, by several callers at once, and during the start, which then
   * ends.
   */
  stop(): Promise<void>
  /** Switches the log from its level to debug, and back. */
  toggleDebugLog(): void
  /** Logs an uncaught error without its message, and flushes the log; the process ends when it resolves, within half a second. */
  crashed(error: unknown): Promise<void>
}

/** Puts the gateway together: the only place that knows every part. */
export function createApp(config: Config): App {
  const metrics = new Metrics()
  const { logger, toggleDebug, close: closeLogger } = createLogger(config.logLevel, lines => metrics.logLinesLost.inc(lines))
  const closers: (() => Promise<void> | void)[] = [closeLogger]
  let starting: ReturnType<App['start']> | undefined
  let stopping: Promise<void> | undefined
  const stopped = new AbortController()
  const kit: BareKit = { config, logger, metrics, onStop: end => closers.push(end) }

  async function close(): Promise<void> {
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer()
      } catch (error) {
        logger.error(unexpected(error), 'a part did not stop cleanly')
      }
    }
  }

  return {
    start() {
      if (stopping) return Promise.reject(new Error('The gateway has been stopped; a part that starts now would never end.'))
      starting ??= startParts(kit, stopped.signal).catch(async error => {
        await close()
        throw explainStart(error)
      })
      return starting
    },
    stop() {
      stopping ??= (async () => {
        stopped.abort()
        await starting?.catch(() => {})
        await close()
      })()
      return stopping
    },
    toggleDebugLog: toggleDebug,
    crashed(error) {
      logger.error(unexpected(error), 'nobody caught an error; the process ends')
      return closeLogger()
    },
  }
}

/** Starts every part, each after the parts that it needs. */
async function startParts(bare: BareKit, signal: AbortSignal): ReturnType<App['start']> {
  const tasks: UpkeepTask[] = []
  const tracer = await startTracing(bare)
  const early: EarlyKit = { ...bare, tracer, upkeep: (...more) => tasks.push(...more) }
  const certificate = startCertificate(early)
  const withdrawals = new Withdrawals()
  const tokens = await startTokens(early, { withdrawals })
  const database = await startDatabase(early, { signal })
  const kit = { ...early, database }
  const clock = await startClock(kit)
  const loaded = await startModels(kit, { signal })
  const models = loaded.registry
  const { apiKeys, store: apiKeyStore } = startApiKeys(kit, { withdrawals })
  const auth = new Authenticator({ tokens, apiKeys, withdrawals })
  const { hints, latest, createLimiter } = await startReplicas(kit)
  const audit = await startAudit(kit)
  const shadows = startShadows(kit, { models })
  const { predictRisk, scoringTrial } = startPredictions(kit, { models, audit, latest, hints, clock, shadows })
  const webhooks = startWebhooks(kit, { hints, clock })
  const rollups = startStatistics(kit)
  const partitions = await startPartitions(kit, { clock })
  startRetention(kit)
  await startTexts(kit, { audit, latest, signal })
  const alerts = await startAlertFeed(kit, { hints })
  const releases = startReleases(kit, { models: loaded, audit })
  const api = startApi(kit, {
    models,
    predictRisk,
    alerts,
    audit,
    latest,
    rollups,
    webhooks,
    apiKeys: apiKeyStore,
    releases,
    clock,
  })
  // A task that is registered later would never run: `upkeep` throws from here on.
  startUpkeep(kit, { tasks: Object.freeze(tasks), clock })
  const url = await startServer(kit, {
    models,
    api,
    auth,
    certificate,
    createLimiter,
    clock,
    scoringTrial,
    partitions,
    mlflowWebhook: loaded.mlflowWebhook,
  })
  const developmentFile = await writeTokens(kit, { url, tokens })
  const champions = models.champions.map(({ manifest }) => `${manifest.model}/${manifest.version}`)
  early.logger.info({ url, models: champions }, 'riskgate serves')
  return { url, ...(developmentFile !== undefined && { developmentFile }) }
}
