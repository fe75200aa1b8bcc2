import { Field, ID, InputType, ObjectType } from 'type-graphql'
import type { RiskBand } from '../scoring/bands.js'
import { Prediction } from './prediction.js'
import { DateTime, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'An entry of the durable feed of high-risk scores.' })
export class HighRiskAlert {
  @Field(() => ID) id: string
  @Field(() => String, {
    description:
      'Opaque, strictly increasing; give it back as `after` to resume. BAD_CURSOR when it is not one of this feed; never a silent gap.',
  })
  cursor: string
  @Field(() => Prediction) prediction: Prediction
  @Field(() => DateTime) raisedAt: Date
}

@InputType({ description: 'What alerts to hear of: all conditions hold together.' })
export class AlertFilter {
  @Field(() => [RiskBandEnum], { nullable: true }) bands?: RiskBand[] | null
  @Field(() => String, { nullable: true }) model?: string | null
}
