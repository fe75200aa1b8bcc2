// TypeGraphQL's decorators want it before the first of them runs.
import 'reflect-metadata'

import { AlertFeed } from './alerts/feed.js'
import { type AlertHints, LocalHints } from './alerts/hints.js'
import { RedisHints } from './alerts/redisHints.js'
import { Authenticator } from './auth/authenticator.js'
import type { Principal } from './auth/principal.js'
import { applyPermissions } from './auth/shield.js'
import { Withdrawals } from './auth/withdrawals.js'
import { type CreateLimiter, limitersOver } from './cache/limiters.js'
import { MemoryLatestPredictions } from './cache/memoryLatestPredictions.js'
import { connectRedis } from './cache/redisConnection.js'
import { RedisLatestPredictions } from './cache/redisLatestPredictions.js'
import { type Config, ConfigError } from './config.js'
import { writeDevelopmentFile } from './development.js'
import { loadTrustedDocuments } from './loadTrustedDocuments.js'
import { RecordOutcomes } from './monitoring/outcomes.js'
import { RiskSummaries } from './monitoring/riskSummary.js'
import { createLogger, type Logger, unexpected } from './observability/logger.js'
import { Metrics } from './observability/metrics.js'
import { RefusalLog } from './observability/refusalLog.js'
import { createRateLimits } from './rateLimits.js'
import { loadModelFolder } from './releases/modelFolder.js'
import { AuditTrail } from './resolvers/auditTrail.js'
import { createLoaders, type LatestPredictions } from './resolvers/loaders.js'
import { createResolvers, RESOLVERS } from './resolvers/resolvers.js'
import { buildApiSchema } from './schema/build.js'
import type { Prediction } from './scoring/prediction.js'
import { PredictRisk } from './scoring/predictRisk.js'
import { startHttpServer } from './server/httpServer.js'
import { startApiKeys } from './startApiKeys.js'
import { startAudit } from './startAudit.js'
import { startDatabase } from './startDatabase.js'
import { signsWithDevelopmentKey, startTokens } from './startTokens.js'
import { observeMalformed, startCertificate } from './startTransport.js'
import { startWebhooks } from './startWebhooks.js'
import { removeOldAlerts } from './storage/alertRetention.js'
import { AlertStore } from './storage/alertStore.js'
import { Database } from './storage/database.js'
import { ErasureStore } from './storage/erasureStore.js'
import { HistoryStore } from './storage/historyStore.js'
import { JobQueue } from './storage/jobQueue.js'
import { OutcomeStore } from './storage/outcomeStore.js'
import { ensurePartitions } from './storage/partitions.js'
import { PredictionRetention } from './storage/predictionRetention.js'
import { PredictionStore } from './storage/predictionStore.js'
import { RollupStore } from './storage/rollupStore.js'
import { keepUp, type UpkeepTask } from './storage/upkeep.js'
import { WebhookStore } from './storage/webhookStore.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FOLD_EVERY_MS = 2_000

export interface App {
  /**
   * Starts everything in order; what had started is stopped again when a later part fails. Answers where it listens. Rejects once
   * it has been stopped.
   */
  start(): Promise<{ url: string; developmentFile?: string }>
  /** Stops everything in the reverse order. May be called twice, by several at once, and while it starts: nothing is waited for. */
  stop(): Promise<void>
  /** Logs an error that nobody caught, without its message, and writes the log out: the process is about to end. */
  crashed(error: unknown): void
}

/** Puts the gateway together: the only place that knows every part. */
export function createApp(config: Config): App {
  const { logger, close: closeLogger } = createLogger(config.logLevel)
  const closers: (() => Promise<void> | void)[] = [closeLogger]
  let starting: ReturnType<App['start']> | undefined
  let stopping: Promise<void> | undefined
  const stopped = new AbortController()

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
      if (stopping) return Promise.reject(new Error('The gateway has been stopped; what starts now would never be.'))
      starting ??= startParts(config, logger, closer => closers.push(closer), stopped.signal).catch(async error => {
        await close()
        throw error
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
    crashed(error) {
      logger.error(unexpected(error), 'nobody caught an error; the process ends')
      closeLogger()
    },
  }
}

type OnStop = (closer: () => Promise<void> | void) => void

async function startParts(config: Config, logger: Logger, onStop: OnStop, signal: AbortSignal): ReturnType<App['start']> {
  const metrics = new Metrics()
  const warn = (message: string, fields: Record<string, unknown> = {}) => logger.warn(fields, message)
  const certificate = startCertificate(config, metrics, logger)
  onStop(() => certificate?.stop())
  const withdrawals = new Withdrawals()
  const { tokens, stop: stopTokens } = await startTokens(config, withdrawals, metrics, logger)
  onStop(stopTokens)

  const models = await loadModelFolder({
    directory: config.modelsDirectory,
    observeScoring: ({ model, version }, seconds) => metrics.scoringSeconds.observe({ model, version }, seconds),
    warn,
  })

  const databaseUrl = await startDatabase(config, logger, onStop, signal)
  const database = new Database({ url: databaseUrl, poolSize: config.databasePoolSize, warn })
  onStop(() => database.close())
  const keys = startApiKeys(database, withdrawals)
  onStop(() => keys.stop())
  const auth = new Authenticator({ tokens, apiKeys: keys.apiKeys, withdrawals })

  const { hints, latest, createLimiter } = connectReplicas(config, warn, onStop)
  const alertLog = new AlertStore(database)
  const alertFeed = new AlertFeed({
    log: alertLog,
    hints,
    failed: error => logger.warn(unexpected(error), 'the alert feed could not be read; trying again'),
    heldBack: holder => logger.warn({ holder }, 'an open transaction holds the alert feed back'),
    delivered: ({ raisedAt }) => metrics.alertDelaySeconds.observe(Math.max(0, Date.now() - raisedAt.getTime()) / 1_000),
  })
  const predictionStore = new PredictionStore({
    database,
    committed: async stored => {
      countPredictions(metrics, stored)
      if (stored.some(({ highRisk }) => highRisk)) hints.publish()
      await latest.remember(stored)
    },
    observeCommit: (seconds, rows) => {
      metrics.commitSeconds.observe(seconds)
      metrics.commitRows.observe(rows)
    },
  })
  metrics.gauge('alert_subscribers', 'Open subscriptions to the alert feed.', () => alertFeed.subscribers)
  const heldBackHelp = 'Time that alerts have waited behind an open transaction of any session on the server.'
  metrics.gauge('alert_feed_held_back_seconds', heldBackHelp, () => alertFeed.heldBackSeconds)
  metrics.queueLengths(() => ({
    scoring: models.models.reduce((sum, { champion }) => sum + champion.queued, 0),
    commit: predictionStore.queued,
  }))

  const jobs = new JobQueue({ url: databaseUrl, warn, retrySeconds: config.webhookRetrySeconds })
  onStop(() => jobs.end())
  const webhookStore = new WebhookStore(database)
  const webhooks = startWebhooks(config, database, jobs, hints, metrics, logger)
  onStop(() => webhooks.stop())
  const audit = await startAudit(database, metrics, logger)
  const history = new HistoryStore(database)
  const predictRisk = new PredictRisk(models, predictionStore)
  const outcomes = new OutcomeStore(database)
  const rollups = new RollupStore(database)
  const erasures = new ErasureStore(database, (...erased) => latest.forget(...erased), audit.digest)
  const instances = createResolvers({
    predictRisk,
    history,
    alertLog,
    audit,
    recordOutcomes: new RecordOutcomes(outcomes),
    riskSummaries: new RiskSummaries(rollups),
    erasures,
    models,
    webhooks: webhookStore,
    apiKeys: keys.store,
    webhookRules: { mayBePrivate: config.webhooksMayBePrivate },
  })
  const schema = buildApiSchema(
    RESOLVERS,
    resolver => instances.get(resolver),
    models.models.map(({ contract }) => contract),
  )
  applyPermissions(schema)
  const { trustedDocumentsFile } = config
  const trustedDocuments =
    trustedDocumentsFile === undefined ? undefined : await loadTrustedDocuments(trustedDocumentsFile, schema, warn)

  const upkeep: UpkeepTask[] = [
    {
      name: 'partitions ahead',
      everyMs: 12 * HOUR_MS,
      run: () => database.write(({ sql }) => ensurePartitions(sql, new Date())),
    },
    {
      name: 'retention of alerts',
      everyMs: 5_000,
      run: signal => removeOldAlerts(database, new Date(Date.now() - config.alertRetentionDays * DAY_MS), signal),
    },
    { name: 'statistics', everyMs: FOLD_EVERY_MS, run: signal => rollups.fold(signal) },
    ...webhooks.upkeep,
    audit.upkeep,
    ...keys.upkeep,
  ]
  if (config.predictionRetentionDays !== undefined) {
    const retention = new PredictionRetention(database, config.predictionRetentionDays)
    const run = async (signal: AbortSignal) => {
      for (const partition of await retention.run(new Date(), signal))
        logger.info({ partition }, 'predictions past their retention were removed')
    }
    upkeep.push({ name: 'prediction retention', everyMs: HOUR_MS, run })
  }
  onStop(keepUp(upkeep, (task, error) => logger.error({ task, ...unexpected(error) }, 'upkeep failed; trying again')))
  await alertFeed.start()
  onStop(() => alertFeed.stop())
  const refusals = new RefusalLog(logger)
  const { admit, addresses, streams } = createRateLimits(config, createLimiter, metrics)
  const http = await startHttpServer({
    ...config,
    addresses,
    streams,
    schema,
    auth,
    admit,
    trustedDocuments,
    contextOf: (principal: Principal, { isStream }) => {
      const trail = new AuditTrail(audit, principal)
      const sources = { history, latest, outcomes, webhooks: webhookStore }
      return {
        principal,
        alertFeed,
        audit: trail,
        loaders: createLoaders(sources, principal, { cache: !isStream, audit: trail }),
      }
    },
    operations: { metrics: metrics.registry, notReady: () => database.problems() },
    report: (errorId, error) => logger.error({ errorId, ...unexpected(error) }, 'unexpected error'),
    observe: ({ operation, code, seconds, context: { principal, requestId } }) => {
      metrics.requestSeconds.observe({ operation, code }, seconds)
      const { id, tenant } = principal
      logger.info({ requestId, operation, code, durationMs: Math.round(seconds * 1e5) / 100, principal: id, tenant }, 'request')
    },
    certificate,
    malformed: observeMalformed(metrics, logger),
    refused: ({ code, requestId, seconds, principal }) => {
      metrics.requestSeconds.observe({ operation: 'none', code }, seconds)
      refusals.note({ requestId, code, principal: principal?.id, tenant: principal?.tenant }, 'request refused')
    },
    observeSocket: ({ connectionId: requestId, operation, code, seconds, principal }) => {
      metrics.subscriptions.inc({ operation: operation ?? 'none', code })
      const { id, tenant } = principal ?? {}
      const fields = { requestId, operation, code, durationMs: Math.round(seconds * 1e3), principal: id, tenant }
      if (operation === undefined) refusals.note(fields, 'connection refused')
      else logger.info(fields, 'subscription ended')
    },
  }).catch((error: unknown) => {
    throw listenProblem(error, config)
  })
  onStop(() => http.stop())
  const { url } = http
  // Never tokens of a key that somebody has chosen: they would lie on the disk for whoever forgot NODE_ENV.
  const developmentFile = signsWithDevelopmentKey(config)
    ? await writeDevelopmentFile(config.stateDirectory, url, tokens)
    : undefined
  const champions = models.models.map(({ champion }) => `${champion.manifest.model}/${champion.manifest.version}`)
  logger.info({ url, models: champions }, 'riskgate serves')
  return { url, ...(developmentFile !== undefined && { developmentFile }) }
}

function listenProblem(error: unknown, { host, port }: Config): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return new ConfigError([`RISKGATE_PORT: another program listens on ${host}:${port}.`])
  if (code === 'EACCES') return new ConfigError([`RISKGATE_PORT: this user may not listen on port ${port}.`])
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new ConfigError([`RISKGATE_HOST: ${host} is no address of this machine.`])
  return error
}

/** What replicas share: over Redis where there is one, else within this process. */
function connectReplicas(
  { redisUrl }: Config,
  warn: (message: string, fields: Record<string, unknown>) => void,
  onStop: OnStop,
): { hints: AlertHints; latest: LatestPredictions; createLimiter: CreateLimiter } {
  if (redisUrl === undefined) {
    return { hints: new LocalHints(), latest: new MemoryLatestPredictions(), createLimiter: limitersOver(undefined) }
  }
  const [commands, subscriber] = [connectRedis(redisUrl, warn), connectRedis(redisUrl, warn)]
  onStop(() => {
    commands.disconnect()
    subscriber.disconnect()
  })
  return {
    hints: new RedisHints(commands, subscriber),
    latest: new RedisLatestPredictions(commands),
    createLimiter: limitersOver(commands),
  }
}

function countPredictions(metrics: Metrics, stored: readonly Prediction[]): void {
  for (const { model, modelVersion, band } of stored) metrics.predictions.inc({ model, version: modelVersion, band })
}
