import { type Logger, unexpected } from '../observability/logger.js'
import { type Metrics, showFromZero } from '../observability/metrics.js'
import { RefusalLog } from '../observability/refusalLog.js'
import type { HttpServerOptions } from '../server/httpServer.js'
import { MALFORMED, type Malformed, type ObserveMalformed } from '../server/transport/malformedRequests.js'
import type { Kit } from './kit.js'

// Thousands may come in a second; the metric counts them all.
const LOG_EVERY_MS = 60_000

type Reports = Pick<HttpServerOptions, 'report' | 'observe' | 'lookedUp' | 'malformed' | 'refused' | 'observeStream'>

/** Turns the server's reports into metrics and log lines. */
export function startReports({ metrics, logger }: Pick<Kit, 'metrics' | 'logger'>): Reports {
  const refusals = new RefusalLog(logger)
  return {
    report: (errorId, error) => logger.error({ errorId, ...unexpected(error) }, 'unexpected error'),
    observe: ({ operation, code, seconds, context: { principal, requestId, route } }) => {
      countRequest(metrics, { route, operation, code, seconds })
      const { id, tenant } = principal
      logger.info({ requestId, operation, code, durationMs: Math.round(seconds * 1e5) / 100, principal: id, tenant }, 'request')
    },
    lookedUp: { document: metrics.lookups('documents'), prepared: metrics.lookups('prepared_operations') },
    malformed: observeMalformed(metrics, logger),
    refused: ({ code, route, requestId, seconds, principal }) => {
      countRequest(metrics, { route, operation: 'none', code, seconds })
      refusals.note({ requestId, code, principal: principal?.id, tenant: principal?.tenant }, 'request refused')
    },
    observeStream: ({ connectionId: requestId, operation, code, seconds, principal }) => {
      metrics.subscriptions.inc({ operation: operation ?? 'none', code })
      const { id, tenant } = principal ?? {}
      const fields = { requestId, operation, code, durationMs: Math.round(seconds * 1e3), principal: id, tenant }
      if (operation === undefined) refusals.note(fields, 'connection refused')
      else logger.info(fields, 'subscription ended')
    },
  }
}

interface CountedRequest {
  readonly route: string
  readonly operation: string
  readonly code: string
  readonly seconds: number
}

function countRequest({ requests, requestSeconds }: Metrics, { route, operation, code, seconds }: CountedRequest): void {
  requests.of(route, operation, code).count++
  requestSeconds.of(route, operation, code === 'OK' ? 'ok' : 'error').observe(seconds)
}

/** Counts connections that never became a request, and logs each kind once a minute. */
export function observeMalformed(metrics: Metrics, logger: Pick<Logger, 'warn'>, now: () => number = Date.now): ObserveMalformed {
  showFromZero(metrics.malformedRequests, 'why', MALFORMED)
  const logged = new Map<Malformed, { at: number; unlogged: number }>()
  return why => {
    metrics.malformedRequests.inc({ why })
    const last = logged.get(why) ?? { at: Number.NEGATIVE_INFINITY, unlogged: 0 }
    last.unlogged++
    logged.set(why, last)
    if (now() - last.at < LOG_EVERY_MS) return
    logger.warn({ why, count: last.unlogged }, 'connections without a proper request were given up')
    last.at = now()
    last.unlogged = 0
  }
}
