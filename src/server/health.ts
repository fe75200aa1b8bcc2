import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { type OnRequest, onlyAfter } from './access.js'

// Anybody may ask, and each answer takes a connection that predictions are written through.
const ASK_EVERY_MS = 100

export interface HealthOptions {
  readonly metrics: Registry
  /** What keeps the gateway from serving; nothing when it is ready. */
  readonly notReady: () => Promise<readonly string[]>
}

export interface HealthRoutes extends HealthOptions {
  /** Absent: whoever comes may read the metrics. */
  readonly mayReadMetrics: OnRequest | undefined
}

/** The same answer for all who ask at about the same time. */
export function askedSeldom<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    answer ??= ask().finally(() => setTimeout(() => (answer = undefined), ASK_EVERY_MS).unref())
    return answer
  }
}

/** Addresses for orchestrators and Prometheus. They say nothing of any caller or applicant. */
export async function serveHealth(server: FastifyInstance, options: HealthRoutes): Promise<void> {
  const { metrics, notReady, mayReadMetrics } = options
  // Alive as long as the event loop turns: a restart would not mend a database that is away.
  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const reasons = await notReady()
    return reply.code(reasons.length === 0 ? 200 : 503).send({ status: reasons.length === 0 ? 'ready' : 'not ready', reasons })
  })
  server.get('/metrics', onlyAfter(mayReadMetrics), async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
}
