import type { Principal } from '../auth/principal.js'
import { type Logger, unexpected } from '../observability/logger.js'
import { type Metrics, showFromZero } from '../observability/metrics.js'
import { RefusalLog } from '../observability/refusalLog.js'
import { RequestLog } from '../observability/requestLog.js'
import type { HttpServerOptions } from '../server/httpServer.js'
import type { RequestNames } from '../server/requestNames.js'
import { MALFORMED, type Malformed, type ObserveMalformed } from '../server/transport/malformedRequests.js'
import type { SpanAttributes } from '../tracer.js'
import type { Kit } from './kit.js'

// Thousands may come in a second; the metric counts them all.
const LOG_EVERY_MS = 60_000

type Reports = Pick<HttpServerOptions, 'report' | 'observe' | 'lookedUp' | 'malformed' | 'refused' | 'observeStream'>

/** Turns the server's reports into metrics and log lines. */
export function startReports({
  config,
  metrics,
  logger,
  tracer,
}: Pick<Kit, 'config' | 'metrics' | 'logger' | 'tracer'>): Reports {
  const refusals = new RefusalLog(logger)
  const requests = new RequestLog(logger, config.requestLog)
  return {
    report: (errorId, error) => logger.error({ errorId, ...unexpected(error) }, 'unexpected error'),
    observe: ({ operation, code, seconds, status, context: { principal, request } }) => {
      countRequest(metrics, request, { operation, code, seconds })
      if (tracer.call()) tracer.describeRequest(answered(operation, status, code))
      // Written out, because it is made for every request: spreads of several objects took longer than the rest of the line.
      requests.note(
        {
          requestId: request.requestId,
          method: request.method,
          path: request.path,
          traceId: request.traceId,
          status,
          operation,
          ok: code === 'OK',
          code: code === 'OK' ? undefined : code,
          durationMs: seconds * 1_000,
          principal: principal.id,
          tenant: principal.tenant,
        },
        'request',
      )
    },
    lookedUp: { document: metrics.lookups('documents'), prepared: metrics.lookups('prepared_operations') },
    malformed: observeMalformed(metrics, logger),
    refused: ({ code, status, seconds, principal, request }) => {
      countRequest(metrics, request, { operation: 'none', code, seconds })
      refusals.note({ ...request, status, ...ending(code, seconds), code, ...callerOf(principal) }, 'request refused')
    },
    observeStream: ({ connectionId: requestId, operation, code, seconds, principal }) => {
      metrics.subscriptions.inc({ operation: operation ?? 'none', code })
      const fields = { requestId, operation, ...ending(code, seconds), ...callerOf(principal) }
      if (operation === undefined) refusals.note({ ...fields, code }, 'connection refused')
      else logger.info(fields, 'subscription ended')
    },
  }
}

interface Ended {
  readonly operation: string
  readonly code: string
  readonly seconds: number
}

function countRequest(
  { requests, requestSeconds }: Metrics,
  { path = 'none' }: RequestNames,
  { operation, code, seconds }: Ended,
): void {
  requests.of(path, operation, code).count++
  requestSeconds.of(path, operation, code === 'OK' ? 'ok' : 'error').observe(seconds)
}

function answered(operation: string, status: number, code: string): SpanAttributes {
  const attributes = { 'riskgate.operation': operation, 'http.response.status_code': status }
  return code === 'OK' ? attributes : { ...attributes, 'error.type': code }
}

/** The line of a request that ended well has no code. */
function ending(code: string, seconds: number) {
  const ok = code === 'OK'
  return { ok, code: ok ? undefined : code, durationMs: seconds * 1_000 }
}

function callerOf(principal: Principal | undefined) {
  return { principal: principal?.id, tenant: principal?.tenant }
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
