import { bandOfNumber } from '../../scoring/bands.js'
import type { Prediction } from '../../scoring/prediction.js'
import { predictions } from '../tables/predictions.js'

/** The columns of a Prediction: all but the features, which are read only when they are asked for. */
export const predictionColumns = {
  id: predictions.id,
  tenant: predictions.tenant,
  applicantId: predictions.applicantId,
  model: predictions.model,
  modelVersion: predictions.modelVersion,
  probability: predictions.probability,
  band: predictions.band,
  highRisk: predictions.highRisk,
  channel: predictions.channel,
  createdAt: predictions.createdAt,
  requestedBy: predictions.requestedBy,
}

export type PredictionRow = Omit<Prediction, 'band'> & { readonly band: number }

export function toPrediction({ band, ...columns }: PredictionRow): Prediction {
  return { ...columns, band: bandOfNumber(band) }
}
