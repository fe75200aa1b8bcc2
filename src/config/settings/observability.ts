import { z } from 'zod'
import { endpoint, share, wholeNumber } from './forms.js'

/** Logs and traces. */
export const observabilitySettings = {
  RISKGATE_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'], { error: 'must be debug, info, warn, error or silent' })
    .default('info')
    .describe('SIGUSR2 switches to `debug` and back, without a restart ([logs.md](logs.md))'),
  RISKGATE_LOG_SUCCESSES_PER_SECOND: wholeNumber(0, 1_000_000)
    .default(0)
    .describe('beyond so many successes in a second, only a part of them is logged; 0: all are'),
  RISKGATE_LOG_SLOW_MS: wholeNumber(1, 60_000)
    .default(250)
    .describe('a request that took this many milliseconds is always logged'),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint('http:', 'https:')
    .optional()
    .describe(
      'where traces go: OTLP over HTTP, such as `http://collector:4318`; if not set, nothing is traced ([traces.md](traces.md))',
    ),
  RISKGATE_TRACE_RATIO: share
    .default(0.1)
    .describe('the part of requests that is traced; a caller that traces its own request decides for it'),
}
