import type { Authenticator } from '../auth/authenticator.js'
import type { CreateLimiter } from '../cache/limiters.js'
import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import type { Metrics } from '../observability/metrics.js'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import { throttled } from '../server/health.js'
import { type HttpServer, startHttpServer } from '../server/httpServer.js'
import type { ReceiveDelivery } from '../server/mlflowWebhook.js'
import type { LiveCertificate } from '../server/transport/liveCertificate.js'
import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import type { Database } from '../storage/postgres/database.js'
import type { ScoringTrial } from '../storage/predictions/scoringTrial.js'
import type { Api } from './api.js'
import type { Kit } from './kit.js'
import { startRateLimits } from './rateLimits.js'
import { startReports } from './reports.js'
import { startTrustedDocuments } from './trustedDocuments.js'

interface Needs {
  readonly models: Pick<ModelRegistry, 'notServing' | 'problems'>
  readonly api: Api
  readonly auth: Authenticator
  readonly certificate: LiveCertificate | undefined
  readonly createLimiter: CreateLimiter
  readonly clock: ClockWatch
  readonly scoringTrial: ScoringTrial
  readonly partitions: { readonly warnings: () => string[] }
  readonly mlflowWebhook?: ReceiveDelivery | undefined
}

/** Starts to listen for callers. Returns the URL. @throws ConfigError where it cannot listen as configured */
export async function startServer(
  kit: Kit,
  { models, api, auth, certificate, createLimiter, clock, scoringTrial, partitions, mlflowWebhook }: Needs,
): Promise<string> {
  const { config, database, metrics, tracer, onStop } = kit
  const trustedDocuments = await startTrustedDocuments(kit, api)
  // Not the whole configuration: the server has no use for secrets.
  const { host, port, bodyLimitBytes, drainMs, keepAliveMs, trustedProxies, forwardedHeader, corsOrigins, development } = config
  const notReady = throttled(async () => [...(await storeProblems(database, scoringTrial)), ...clock.problems()])
  const http = await startHttpServer({
    host,
    port,
    bodyLimitBytes,
    drainMs,
    keepAliveMs,
    trustedProxies,
    forwardedHeader,
    corsOrigins,
    development,
    ...startRateLimits(kit, { createLimiter }),
    ...api,
    auth,
    trustedDocuments,
    health: {
      metrics: metrics.registry,
      notReady,
      warnings: () => [...models.notServing.map(noChampion), ...models.problems, ...partitions.warnings()],
    },
    mlflowWebhook,
    certificate,
    tracer,
    ...startReports(kit),
  }).catch((error: unknown) => {
    throw listenProblem(error, config)
  })
  onStop(() => http.stop())
  measure(http, notReady, metrics)
  return http.url
}

/** A store that is away needs no trial score. */
async function storeProblems(database: Database, scoringTrial: ScoringTrial): Promise<string[]> {
  const problems = await database.problems()
  const refusal = problems.length === 0 ? await scoringTrial.problem() : undefined
  return refusal === undefined ? problems : [refusal]
}

function measure(http: HttpServer, notReady: () => Promise<readonly string[]>, metrics: Metrics): void {
  metrics.gauge('ready', 'Whether a prediction would be stored, as /readyz says; 1 or 0.', async () =>
    (await notReady()).length === 0 ? 1 : 0,
  )
  metrics.gauge('connections', 'Open connections of clients, over HTTP or WebSocket.', () => http.open().connections)
  metrics.gauges('streams', 'Open WebSockets and streams of server-sent events.', 'transport', () => {
    const { webSockets, eventStreams } = http.open()
    return { websocket: webSockets, 'server-sent events': eventStreams }
  })
}

function noChampion(model: string): string {
  return `The model ${model} does not serve: the log says why.`
}

function listenProblem(error: unknown, { host, port }: Config): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return new ConfigError([`RISKGATE_PORT: another program listens on ${host}:${port}. Choose another port.`])
  if (code === 'EACCES') return new ConfigError([`RISKGATE_PORT: this user may not listen on port ${port}. Choose another port.`])
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new ConfigError([`RISKGATE_HOST: ${host} is not an address of this machine. Set one that is, or 0.0.0.0.`])
  return error
}
