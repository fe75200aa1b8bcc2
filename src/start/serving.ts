import { type Metrics, showFromZero } from '../observability/metrics.js'
import type { LoadReleaseOptions } from '../releases/serving/loadRelease.js'
import { answeringReleases, type ModelRegistry } from '../releases/serving/modelRegistry.js'
import { type LoadVersion, ServingVersions } from '../releases/serving/swap.js'
import { ShadowScoring } from '../releases/shadow/shadowScoring.js'
import { RISK_BANDS } from '../scoring/bands.js'
import { ShadowStore } from '../storage/releases/shadowStore.js'
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
export function startShadows(kit: Kit, { models }: { models: ModelRegistry }): ShadowScoring {
  const { database, metrics, onStop } = kit
  const shadows = new ShadowScoring(models, new ShadowStore(database), {
    counted: (result, rows) => metrics.shadowRows.inc({ result }, rows),
    warn: warnTo(kit),
  })
  showFromZero(metrics.shadowRows, 'result', ['stored', 'dropped', 'failed'])
  onStop(() => shadows.close())
  return shadows
}

/** How a release is watched. The runs of a shadow are no part of the time that callers wait. */
export function loadOptions(kit: EarlyKit, purpose: Parameters<LoadVersion>[1]): LoadReleaseOptions {
  const { metrics, tracer } = kit
  const watch: LoadReleaseOptions = {
    observeScoring: ({ model, version }, seconds) => metrics.scoringSeconds.of(model, version).observe(seconds),
    workerEnded: ({ model, version }) => metrics.workersEnded.inc({ model, version }),
    warn: warnTo(kit),
    tracer,
  }
  return purpose === 'answers' ? watch : { ...watch, observeScoring: () => {}, tracer: undefined, alwaysInWorker: true }
}

/** Shows the counters of a version at zero: the share of high risk would be unknown until the first. */
function showFromZeroFor({ model, version }: { model: string; version: string }, metrics: Metrics): void {
  metrics.highRisk.of(model, version)
  metrics.workersEnded.inc({ model, version }, 0)
  for (const band of RISK_BANDS) metrics.predictions.of(model, version, band)
}
