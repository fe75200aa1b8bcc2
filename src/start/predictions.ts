import type { AlertHints } from '../alerts/hints.js'
import type { ErrorCode } from '../errors.js'
import { type Metrics, showFromZero } from '../observability/metrics.js'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import type { ShadowScoring } from '../releases/shadow/shadowScoring.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Prediction } from '../scoring/prediction.js'
import { PredictRisk } from '../scoring/predictRisk.js'
import type { AuditWriter } from '../storage/audit/auditWriter.js'
import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import { PredictionStore } from '../storage/predictions/predictionStore.js'
import { ScoringTrial } from '../storage/predictions/scoringTrial.js'
import type { Kit } from './kit.js'

// Those that the service is to blame for: alerts look at them.
const FAILURES: readonly ErrorCode[] = ['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'MODEL_OUTPUT_INVALID']

interface Needs {
  readonly models: ModelRegistry
  readonly audit: { readonly writer: AuditWriter }
  readonly latest: LatestPredictions
  readonly hints: AlertHints
  readonly clock: ClockWatch
  /** Scores stored predictions with the shadows of their model. */
  readonly shadows?: Pick<ShadowScoring, 'offer' | 'queued'> | undefined
}

/**
 * Builds the predictRisk use case over the store. Committed predictions are counted and cached; a hint tells readers of the feed
 * about high-risk ones.
 */
export function startPredictions(
  { database, metrics, logger, tracer }: Kit,
  { models, audit, latest, hints, clock, shadows }: Needs,
): { readonly predictRisk: PredictRisk; readonly scoringTrial: ScoringTrial } {
  const scoringTrial = new ScoringTrial(database, reason =>
    logger.warn({ reason }, 'scores cannot be stored; this gateway is not ready'),
  )
  const store = new PredictionStore({
    database,
    audit: audit.writer,
    trial: scoringTrial,
    tracer,
    committed: async rows => {
      shadows?.offer(rows)
      const stored = rows.map(({ prediction }) => prediction)
      count(metrics, stored)
      if (stored.some(({ highRisk }) => highRisk)) hints.publish()
      await latest.remember(stored)
    },
    observeCommit: (seconds, rows) => {
      metrics.commitSeconds.of().observe(seconds)
      metrics.commitRows.of().observe(rows)
    },
  })
  metrics.gauges('queue_length', 'Rows that wait to be scored, stored, or scored by a shadow.', 'queue', () => ({
    scoring: models.answering.reduce((sum, { queued }) => sum + queued, 0),
    commit: store.queued,
    shadow: shadows?.queued ?? 0,
  }))
  const rowRefused = (code: ErrorCode) => metrics.batchRowsRefused.inc({ code })
  showFromZero(metrics.batchRowsRefused, 'code', FAILURES)
  return { predictRisk: new PredictRisk(models, store, { now: clock.now, tracer, rowRefused }), scoringTrial }
}

function count(metrics: Metrics, stored: readonly Prediction[]): void {
  for (const { model, modelVersion, band, probability, highRisk } of stored) {
    metrics.predictions.of(model, modelVersion, band).count++
    metrics.probabilities.of(model, modelVersion).observe(probability)
    if (highRisk) metrics.highRisk.of(model, modelVersion).count++
  }
}
