import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

export interface OperationsOptions {
  readonly metrics: Registry
  /** What keeps the gateway from serving; nothing when it is ready. */
  readonly notReady: () => Promise<readonly string[]>
}

/** Addresses for orchestrators and Prometheus. They say nothing of any caller or applicant. */
export async function serveOperations(server: FastifyInstance, { metrics, notReady }: OperationsOptions): Promise<void> {
  // Alive as long as the event loop turns: a restart would not mend a database that is away.
  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const reasons = await notReady()
    return reply.code(reasons.length === 0 ? 200 : 503).send({ status: reasons.length === 0 ? 'ready' : 'not ready', reasons })
  })
  server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
}
