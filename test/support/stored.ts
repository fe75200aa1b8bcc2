import { application, type ConsumerCredit, LOW_RISK } from './applicants.js'
import type { GraphqlClient } from './client.js'
import type { TestGateway } from './gateway.js'
import { PredictRiskBatchDocument, PredictRiskDocument, type ScoredFragment } from './generated/operations.js'

/** How many rows each table holds; a refused request must not change this. */
export async function storedRows({ database: { sql } }: TestGateway): Promise<Record<string, number>> {
  const [rows] = await sql<Record<string, number>[]>`
    select (select count(*)::int from predictions) as predictions,
      (select count(*)::int from idempotency_keys) as keys,
      (select count(*)::int from alerts) as alerts`
  return { ...rows }
}

/** Scores one application; throws if that fails. */
export async function score(scorer: GraphqlClient, applicantId: string, features: ConsumerCredit = LOW_RISK) {
  const { predictRisk } = await scorer.data(PredictRiskDocument, { input: application(applicantId, features) })
  return predictRisk.prediction
}

/** Scores up to a hundred applications; throws if one fails. Returns the predictions in order. */
export async function scoreBatch(
  scorer: GraphqlClient,
  items: readonly ReturnType<typeof application>[],
): Promise<ScoredFragment[]> {
  const { predictRiskBatch } = await scorer.data(PredictRiskBatchDocument, { items: [...items] })
  return predictRiskBatch.results.map(({ prediction, errors }) => {
    if (!prediction) throw new Error(`A row was refused: ${JSON.stringify(errors)}`)
    return prediction
  })
}
