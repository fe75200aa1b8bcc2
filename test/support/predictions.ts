import { RISK_BANDS } from '../../src/scoring/bands.js'
import type { NewPrediction } from '../../src/scoring/prediction.js'
import { oneOf, type Random } from './random.js'
import { idAt, newPrediction } from './stores.js'

/** A prediction made at that instant, with a random band and version, and a random one of the models. */
export function randomPrediction(
  random: Random,
  createdAt: Date,
  models: readonly string[] = ['consumer-credit'],
): NewPrediction {
  const probability = random()
  const band = oneOf(random, RISK_BANDS)
  return newPrediction({
    id: idAt(createdAt),
    createdAt,
    probability,
    band,
    highRisk: band === 'T7' || band === 'T8',
    model: oneOf(random, models),
    modelVersion: oneOf(random, ['1', '2']),
  })
}
