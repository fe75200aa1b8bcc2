import { showFromZero } from '../observability/metrics.js'
import { answeringReleases, type ModelRegistry } from '../releases/modelRegistry.js'
import { ServingVersions } from '../releases/serving/swap.js'
import type { ShadowLog } from '../releases/shadow/shadowLog.js'
import { ShadowScoring } from '../releases/shadow/shadowScoring.js'
import { type EarlyKit, type Kit, warnTo } from './kit.js'
import { showFromZeroFor } from './models.js'

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
