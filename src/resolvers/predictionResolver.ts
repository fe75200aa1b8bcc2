import { Arg, Ctx, Mutation, Resolver } from 'type-graphql'
import { Cost, itemsUpTo } from '../schema/cost.js'
import { PredictRiskBatchInput, PredictRiskBatchPayload, PredictRiskInput, PredictRiskPayload } from '../schema/predictRisk.js'
import type { ModelContract } from '../scoring/contract.js'
import type { Application } from '../scoring/prediction.js'
import { MAX_BATCH_ROWS, type PredictRisk } from '../scoring/predictRisk.js'
import type { RequestContext } from './context.js'

@Resolver()
export class PredictionResolver {
  readonly #predictRisk: PredictRisk
  readonly #modelOfField: ReadonlyMap<string, string>

  constructor(predictRisk: PredictRisk, contracts: readonly ModelContract[]) {
    this.#predictRisk = predictRisk
    this.#modelOfField = new Map(contracts.map(({ inputField, name }) => [inputField, name]))
  }

  @Mutation(() => PredictRiskPayload, {
    description: 'Scores one applicant, stores the prediction durably, raises an alert when it is high risk, then answers.',
  })
  predictRisk(
    @Arg('input', () => PredictRiskInput) input: PredictRiskInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<PredictRiskPayload> {
    return this.#predictRisk.run(this.#toApplication(input), principal)
  }

  @Cost({ rows: itemsUpTo(MAX_BATCH_ROWS) })
  @Mutation(() => PredictRiskBatchPayload, {
    description:
      'Scores 1..100 applicants in one call. A bad row gets an error of its own; the others are scored and stored. The results keep the order of the batch.',
  })
  async predictRiskBatch(
    @Arg('input', () => PredictRiskBatchInput) { items }: PredictRiskBatchInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<PredictRiskBatchPayload> {
    const results = await this.#predictRisk.runBatch(
      items.map(item => this.#toApplication(item)),
      principal,
    )
    return {
      results: results.map((result, index) =>
        'problems' in result
          ? { index, prediction: null, errors: result.problems, replayed: false }
          : { index, prediction: result.prediction, errors: [], replayed: result.replayed },
      ),
    }
  }

  #toApplication({ applicantId, features, idempotencyKey, channel }: PredictRiskInput): Application {
    // The type is @oneOf: exactly one key, and it is one of ours.
    const [[inputField, values]] = Object.entries(features) as [[string, Application['features']]]
    return {
      applicantId,
      model: this.#modelOfField.get(inputField) ?? inputField,
      features: values,
      ...(idempotencyKey != null && { idempotencyKey }),
      ...(channel != null && { channel }),
    }
  }
}
