import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { type OnRequest, onlyAfter } from './access.js'

// Anybody may ask, and each answer takes a database connection that predictions need.
const ASK_EVERY_MS = 100

export interface HealthOptions {
  readonly metrics: Registry
  /** The reasons why the gateway cannot serve; empty when it is ready. Anybody may ask: it should be throttled. */
  readonly notReady: () => Promise<readonly string[]>
  /** What does not serve although the gateway is ready, or will make it not ready in some weeks unless somebody acts. */
  readonly warnings?: (() => readonly string[]) | undefined
}

export interface HealthRoutes extends HealthOptions {
  /** Absent: anybody may read the metrics. */
  readonly mayReadMetrics: OnRequest | undefined
}

/** Gives one answer to all calls that come at about the same time. */
export function throttled<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => {
    answer ??= ask().finally(() => setTimeout(() => (answer = undefined), ASK_EVERY_MS).unref())
    return answer
  }
}

/** Addresses for orchestrators and Prometheus. They reveal nothing about any caller or applicant. */
export async function serveHealth(server: FastifyInstance, options: HealthRoutes): Promise<void> {
  const { metrics, notReady, warnings = () => [], mayReadMetrics } = options
  // Alive while the event loop turns: a restart would not bring back a lost database.
  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const [reasons, later] = [await notReady(), warnings()]
    return reply
      .code(reasons.length === 0 ? 200 : 503)
      .send({ status: reasons.length === 0 ? 'ready' : 'not ready', reasons, ...(later.length > 0 && { warnings: later }) })
  })
  server.get('/metrics', onlyAfter(mayReadMetrics), async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.metrics()),
  )
}
