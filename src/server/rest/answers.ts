import { z } from 'zod'
import { RISK_BANDS } from '../../scoring/bands.js'
import type { Data } from './restRoute.js'

/** The fields that every answer shows of a prediction. */
export const PREDICTION_FIELDS = `fragment P on Prediction {
  id applicantId probability band highRisk channel model version createdAt requestedBy
}`

const dateTime = z.string().meta({ format: 'date-time' })

export const predictionAnswer = z
  .looseObject({
    id: z.string().meta({ format: 'uuid' }),
    applicantId: z.string(),
    probability: z.number().min(0).max(1).describe('Probability of default.'),
    band: z.enum(RISK_BANDS).describe('Risk group, from the lowest probability of default (T1) to the highest (T8).'),
    highRisk: z.boolean(),
    model: z.string(),
    modelVersion: z.string(),
    channel: z.string().nullable(),
    createdAt: dateTime,
    requestedBy: z.string().describe('The principal that asked for the score.'),
  })
  .describe('One scored application, stored.')
  .meta({ id: 'Prediction' })

export const predictAnswer = predictionAnswer
  .extend({ replayed: z.boolean().describe('True when the idempotency key was used before: this is the first answer again.') })
  .describe('A stored prediction, and whether it was stored before.')
  .meta({ id: 'PredictAnswer' })

const outcomeAnswer = z
  .looseObject({ defaulted: z.boolean(), observedAt: dateTime, recordedBy: z.string() })
  .describe('What really happened with the loan, as last recorded.')
  .meta({ id: 'Outcome' })

export const storedAnswer = predictionAnswer
  .extend({ outcome: outcomeAnswer.nullable() })
  .describe('A stored prediction, with the outcome of its loan once that is recorded.')
  .meta({ id: 'StoredPrediction' })

export const rowMistake = z.looseObject({
  code: z.string(),
  detail: z.string(),
  pointer: z.string().describe('A JSON pointer into the body.'),
})

/** A prediction of the data, as every answer shows it. Written out: spreading the data of an operation takes 16 us. */
export function toPrediction(found: Data): Record<string, unknown> {
  const { id, applicantId, probability, band, highRisk, model, version, channel, createdAt, requestedBy } = found
  return { id, applicantId, probability, band, highRisk, model, modelVersion: version, channel, createdAt, requestedBy }
}

export function toStored(found: Data): Record<string, unknown> {
  return { ...toPrediction(found), outcome: found.outcome }
}
