import type { Metrics } from '../observability/metrics.js'
import { loadModelFolder } from '../releases/folderSource.js'
import type { ModelRegistry } from '../releases/modelRegistry.js'
import type { LoadReleaseOptions } from '../releases/serving/loadRelease.js'
import { RISK_BANDS } from '../scoring/bands.js'
import { type EarlyKit, warnTo } from './kit.js'

/** Loads the models of the folder, and measures their runs. @throws ConfigError where no model can serve */
export async function startModels(kit: EarlyKit): Promise<ModelRegistry> {
  const { config, metrics } = kit
  const registry = await loadModelFolder({
    directory: config.modelsDirectory,
    ...loadOptions(kit),
  })
  for (const { manifest } of registry.champions) showFromZeroFor(manifest, metrics)
  metrics.gauges('model_serving', 'Whether a version of the model serves; 1 or 0.', 'model', () => serving(registry))
  return registry
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

function serving({ champions, notServing }: ModelRegistry): Record<string, number> {
  return Object.fromEntries([
    ...champions.map(({ contract }) => [contract.name, 1] as const),
    ...notServing.map(name => [name, 0] as const),
  ])
}

/** Shows the counters of a version at zero: the share of high risk would be unknown until the first. */
export function showFromZeroFor({ model, version }: { model: string; version: string }, metrics: Metrics): void {
  metrics.highRisk.of(model, version)
  metrics.workersEnded.inc({ model, version }, 0)
  for (const band of RISK_BANDS) metrics.predictions.of(model, version, band)
}
