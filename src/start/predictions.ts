import type { AlertHints } from '../alerts/hints.js'
import type { Metrics } from '../observability/metrics.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Prediction } from '../scoring/prediction.js'
import type { AuditWriter } from '../storage/audit/auditWriter.js'
import type { Database } from '../storage/postgres/database.js'
import { PredictionStore } from '../storage/predictions/predictionStore.js'

interface PredictionParts {
  readonly database: Database
  readonly audit: AuditWriter
  readonly latest: LatestPredictions
  readonly hints: AlertHints
  readonly metrics: Metrics
}

/** The store of predictions, and whom it tells of those that it has committed. */
export function createPredictionStore({ database, audit, latest, hints, metrics }: PredictionParts): PredictionStore {
  return new PredictionStore({
    database,
    audit,
    committed: async stored => {
      count(metrics, stored)
      if (stored.some(({ highRisk }) => highRisk)) hints.publish()
      await latest.remember(stored)
    },
    observeCommit: (seconds, rows) => {
      metrics.commitSeconds.observe(seconds)
      metrics.commitRows.observe(rows)
    },
  })
}

function count(metrics: Metrics, stored: readonly Prediction[]): void {
  for (const { model, modelVersion, band } of stored) metrics.predictions.inc({ model, version: modelVersion, band })
}
