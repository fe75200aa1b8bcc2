import { RISK_BANDS } from '../../src/scoring/bands.js'
import type { NewPrediction } from '../../src/scoring/prediction.js'
import { idAt, newPrediction } from './stores.js'

/** A random item. */
export function oneOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)] as T
}

/** A prediction made at that instant, with a random band and version, and a random one of the models. */
export function randomPrediction(createdAt: Date, models: readonly string[] = ['consumer-credit']): NewPrediction {
  const probability = Math.random()
  const band = oneOf(RISK_BANDS)
  return newPrediction({
    id: idAt(createdAt),
    createdAt,
    probability,
    band,
    highRisk: band === 'T7' || band === 'T8',
    model: oneOf(models),
    modelVersion: oneOf(['1', '2']),
  })
}
