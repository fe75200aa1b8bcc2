import { setTimeout as sleep } from 'node:timers/promises'
import { type Tracer, UNTRACED } from '../tracer.js'
import type { EarlyKit } from './kit.js'

// A collector that does not answer must not hold up the end of the gateway.
const LAST_EXPORT_MS = 1_000

/** Starts to send traces where a collector is set. The packages of OpenTelemetry are not even loaded otherwise. */
export async function startTracing({ config, logger, onStop }: Omit<EarlyKit, 'tracer' | 'upkeep'>): Promise<Tracer> {
  const { endpoint, ratio } = config.traces
  if (!endpoint) return UNTRACED
  const { OtlpTracer } = await import('../observability/tracing.js')
  const failed = (code: string | undefined) =>
    logger.warn({ code }, 'traces cannot be sent; they are lost until the collector is back')
  const tracer = new OtlpTracer({ endpoint, ratio, failed })
  onStop(() => Promise.race([tracer.stop().catch(() => {}), sleep(LAST_EXPORT_MS, undefined, { ref: false })]))
  return tracer
}
