import type { WebhookAlert } from './webhookOutbox.js'

const TYPE = 'highRisk.scored'

/** The body of a webhook call: the alert as the subscription sends it, the same for every attempt. Never features. */
export function webhookMessage({ id, cursor, raisedAt, prediction }: WebhookAlert): string {
  const { applicantId, probability, band, model, modelVersion, channel, createdAt } = prediction
  return JSON.stringify({
    type: TYPE,
    timestamp: raisedAt,
    data: {
      alert: id,
      cursor,
      raisedAt,
      prediction: { id: prediction.id, applicantId, probability, band, model, modelVersion, channel, createdAt },
    },
  })
}
