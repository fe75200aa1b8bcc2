// TypeGraphQL's decorators want it before the first of them runs.
import 'reflect-metadata'

import { Authenticator } from './auth/authenticator.js'
import type { Principal } from './auth/principal.js'
import { applyPermissions } from './auth/shield.js'
import { Withdrawals } from './auth/withdrawals.js'
import type { Config } from './config/config.js'
import { writeDevelopmentFile } from './config/development.js'
import { ConfigError } from './errors.js'
import { RecordOutcomes } from './monitoring/outcomes.js'
import { RiskSummaries } from './monitoring/riskSummary.js'
import { createLogger, type Logger, unexpected } from './observability/logger.js'
import { Metrics } from './observability/metrics.js'
import { loadModelFolder } from './releases/folderSource.js'
import { AuditTrail } from './resolvers/auditTrail.js'
import { createLoaders } from './resolvers/loaders.js'
import { createResolvers, RESOLVERS } from './resolvers/resolvers.js'
import { buildApiSchema } from './schema/build.js'
import { PredictRisk } from './scoring/predictRisk.js'
import { startHttpServer } from './server/httpServer.js'
import { createAlertFeed } from './start/alertFeed.js'
import { startApiKeys } from './start/apiKeys.js'
import { startAudit } from './start/audit.js'
import { startCertificate } from './start/certificate.js'
import { startDatabase } from './start/database.js'
import { createPredictionStore } from './start/predictions.js'
import { createRateLimits } from './start/rateLimits.js'
import { connectReplicas } from './start/replicas.js'
import { reportsTo } from './start/reports.js'
import { signsWithDevelopmentKey, startTokens } from './start/tokens.js'
import { loadTrustedDocuments } from './start/trustedDocuments.js'
import { upkeepOf } from './start/upkeep.js'
import { startWebhooks } from './start/webhooks.js'
import { AlertStore } from './storage/alerts/alertStore.js'
import { HistoryStore } from './storage/history/historyStore.js'
import { JobQueue } from './storage/jobs/jobQueue.js'
import { Database } from './storage/postgres/database.js'
import { keepUp } from './storage/postgres/upkeep.js'
import { ErasureStore } from './storage/predictions/erasureStore.js'
import { OutcomeStore } from './storage/predictions/outcomeStore.js'
import { RollupStore } from './storage/statistics/rollupStore.js'
import { WebhookStore } from './storage/webhooks/webhookStore.js'

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
  const alertFeed = createAlertFeed(alertLog, hints, metrics, logger)
  const audit = await startAudit(database, metrics, logger)
  const predictionStore = createPredictionStore({ database, audit: audit.writer, latest, hints, metrics })
  metrics.queueLengths(() => ({
    scoring: models.models.reduce((sum, { champion }) => sum + champion.queued, 0),
    commit: predictionStore.queued,
  }))

  const jobs = new JobQueue({ url: databaseUrl, warn, retrySeconds: config.webhookRetrySeconds })
  onStop(() => jobs.end())
  const webhookStore = new WebhookStore(database)
  const webhooks = startWebhooks(config, database, jobs, hints, metrics, logger)
  onStop(() => webhooks.stop())
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
  const trustedDocuments = await loadTrustedDocuments(config, schema, warn)

  const upkeep = [...upkeepOf(config, database, rollups, logger), ...webhooks.upkeep, audit.upkeep, ...keys.upkeep]
  onStop(keepUp(upkeep, (task, error) => logger.error({ task, ...unexpected(error) }, 'upkeep failed; trying again')))
  await alertFeed.start()
  onStop(() => alertFeed.stop())
  // Not the whole configuration: whatever serves callers has no use for secrets.
  const { host, port, bodyLimitBytes, drainMs, trustedProxies, corsOrigins, development } = config
  const http = await startHttpServer({
    host,
    port,
    bodyLimitBytes,
    drainMs,
    trustedProxies,
    corsOrigins,
    development,
    ...createRateLimits(config, createLimiter, metrics),
    schema,
    auth,
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
    health: { metrics: metrics.registry, notReady: () => database.problems() },
    certificate,
    ...reportsTo(metrics, logger),
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
