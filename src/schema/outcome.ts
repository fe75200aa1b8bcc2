import { Field, InputType, Int, ObjectType } from 'type-graphql'
import { Cost } from './cost.js'
import { Prediction } from './prediction.js'
import { UserError } from './predictRisk.js'
import { RowInput } from './rowInput.js'
import { DateTime, ID } from './scalars.js'

@ObjectType({ description: 'What really happened with the loan, as last recorded.' })
export class Outcome {
  @Field(() => Boolean) defaulted: boolean
  @Field(() => DateTime) observedAt: Date
  @Field(() => String, { description: 'The principal that recorded it.' }) recordedBy: string
}

@RowInput()
@InputType({ description: 'What really happened with a loan.' })
export class RecordOutcomeInput {
  @Field(() => ID) predictionId: string
  @Field(() => Boolean) defaulted: boolean
  @Field(() => DateTime, { description: 'Not before the prediction was made, and not in the future.' }) observedAt: Date
}

@InputType({ description: 'What really happened with several loans.' })
export class RecordOutcomesInput {
  @Field(() => [RecordOutcomeInput], { description: '1..1,000 outcomes, one for each prediction.' }) items: RecordOutcomeInput[]
}

@ObjectType()
export class RecordOutcomePayload {
  @Field(() => Prediction) prediction: Prediction
}

@ObjectType({ description: 'Either `prediction` is set or `errors` has at least one.' })
export class RecordOutcomesResult {
  @Field(() => Int, { description: 'The position of the outcome in the list, from 0.' }) index: number
  @Field(() => Prediction, { nullable: true }) prediction: Prediction | null
  @Cost({ size: 2 }) @Field(() => [UserError]) errors: readonly UserError[]
}

@ObjectType()
export class RecordOutcomesPayload {
  @Cost({ size: 'rows' })
  @Field(() => [RecordOutcomesResult], { description: 'One result for each outcome, in the order of the list.' })
  results: RecordOutcomesResult[]
}
