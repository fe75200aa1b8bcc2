import { Field, InputType, Int, ObjectType } from 'type-graphql'
import type { RawFeatures } from '../scoring/features.js'
import { Cost } from './cost.js'
import { ModelFeaturesInput } from './features.js'
import { Prediction } from './prediction.js'
import { RowInput } from './rowInput.js'
import { ID } from './scalars.js'

@RowInput()
@InputType({ description: 'An application to score.' })
export class PredictRiskInput {
  @Field(() => ID, {
    description:
      "The caller's own reference to the applicant: 1..128 printable characters without spaces at the ends, not beginning with `erased:`. Each spelling in Unicode is the same reference. Never personal data such as a name or document number.",
  })
  applicantId: string

  @Field(() => ModelFeaturesInput, {
    description: "The features, typed from the contract of the model they are for. Naming the model's key selects the model.",
  })
  features: Readonly<Record<string, RawFeatures>>

  @Field(() => String, {
    nullable: true,
    description:
      'The same key with the same input: the first answer again, with `replayed: true`. The same key with other input: IDEMPOTENCY_KEY_REUSED. A key belongs to its tenant and principal, and is kept as long as the prediction. 1..255 printable ASCII characters without spaces.',
  })
  idempotencyKey?: string | null

  @Field(() => String, {
    nullable: true,
    description: 'Where the application came from, for later analysis: web, mobile, branch, a product. 1..32 characters.',
  })
  channel?: string | null
}

@InputType({ description: 'Several applications to score in one call.' })
export class PredictRiskBatchInput {
  @Field(() => [PredictRiskInput], { description: '1..100 applications.' }) items: PredictRiskInput[]
}

@ObjectType()
export class PredictRiskPayload {
  @Field(() => Prediction) prediction: Prediction
  @Field(() => Boolean, { description: 'True when the idempotency key was used before: this is the first answer again.' })
  replayed: boolean
}

@ObjectType({
  description:
    'An expected mistake of the caller: a code as in extensions.code, a path into the input, never the offending value.',
})
export class UserError {
  @Field(() => String) code: string
  @Field(() => String) message: string
  @Field(() => [String], { nullable: true }) path: readonly string[]
}

@ObjectType({ description: 'Either `prediction` is set or `errors` has at least one.' })
export class PredictRiskBatchResult {
  @Field(() => Int, { description: 'The position of the application in the batch, from 0.' }) index: number
  @Field(() => Prediction, { nullable: true }) prediction: Prediction | null
  @Cost({ size: 10 }) @Field(() => [UserError]) errors: readonly UserError[]
  @Field(() => Boolean) replayed: boolean
}

@ObjectType()
export class PredictRiskBatchPayload {
  @Cost({ size: 'rows' })
  @Field(() => [PredictRiskBatchResult], { description: 'One result for each application, in the order of the batch.' })
  results: PredictRiskBatchResult[]
}
