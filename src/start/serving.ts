import { type Metrics, showFromZero } from '../observability/metrics.js'
import { answeringReleases, type ModelRegistry } from '../releases/modelRegistry.js'
import type { LoadReleaseOptions } from '../releases/serving/loadRelease.js'
import { ServingVersions } from '../releases/serving/swap.js'
import type { ShadowLog } from '../releases/shadow/shadowLog.js'
import { ShadowScoring } from '../releases/shadow/shadowScoring.js'
import { RISK_BANDS } from '../scoring/bands.js'
import { type EarlyKit, type Kit, warnTo } from './kit.js'

/** Lets versions be replaced while callers are answered. All releases end with the gateway, after the last caller. */
export function startServing(kit: EarlyKit, models: ModelRegistry): ServingVersions {
  const { metrics, onStop } = kit
  const serving = new ServingVersions(models, {
    switched: entry => {
      for (const { manifest } of answeringReleases(entry)) showFromZeroFor(manifest, metrics)
    },
    warn: warnTo(kit),
  })
  onStop(() => serving.close())
  return serving
}

/** Scores stored predictions with shadows, off the way of callers. */
export function startShadows(
  kit: Pick<Kit, 'metrics' | 'logger' | 'onStop'>,
  { models, log }: { models: ModelRegistry; log: ShadowLog },
): ShadowScoring {
  const { metrics, onStop } = kit
  const shadows = new ShadowScoring(models, log, {
    counted: (result, rows) => metrics.shadowRows.inc({ result }, rows),
    warn: warnTo(kit),
  })
  showFromZero(metrics.shadowRows, 'result', ['stored', 'dropped', 'failed'])
  onStop(() => shadows.close())
  return shadows
}

/** How the releases that answer callers are watched. */
export function loadOptions(kit: Pick<EarlyKit, 'metrics' | 'logger' | 'tracer'>): LoadReleaseOptions {
  const { metrics, tracer } = kit
  return {
    observeScoring: ({ model, version }, seconds) => metrics.scoringSeconds.of(model, version).observe(seconds),
    workerEnded: ({ model, version }) => metrics.workersEnded.inc({ model, version }),
    warn: warnTo(kit),
    tracer,
  }
}

/** How shadows are watched: their runs are no part of the time that callers wait. */
export function shadowLoadOptions(kit: Pick<EarlyKit, 'metrics' | 'logger' | 'tracer'>): LoadReleaseOptions {
  return { ...loadOptions(kit), observeScoring: () => {}, tracer: undefined, alwaysInWorker: true }
}

/** Shows the counters of a version at zero: the share of high risk would be unknown until the first. */
function showFromZeroFor({ model, version }: { model: string; version: string }, metrics: Metrics): void {
  metrics.highRisk.of(model, version)
  metrics.workersEnded.inc({ model, version }, 0)
  for (const band of RISK_BANDS) metrics.predictions.of(model, version, band)
}
