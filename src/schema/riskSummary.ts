import { Field, Float, Int, ObjectType } from 'type-graphql'
import { RISK_BANDS, type RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { DateTime, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'The part of one band.' })
export class BandShare {
  @Field(() => RiskBandEnum) band: RiskBand
  @Field(() => Int) count: number
  @Field(() => Float, { description: '0..1; 0 where there are no predictions at all.' }) share: number
}

@ObjectType({ description: 'The predictions of one interval.' })
export class RiskBucket {
  @Field(() => DateTime, { description: 'Where the interval begins; it ends where the next one begins.' }) start: Date
  @Field(() => Int) count: number
  @Field(() => Float, { nullable: true, description: 'Null without predictions.' }) meanProbability: number | null
  @Field(() => Float, { nullable: true, description: 'Defaults among the predictions with an outcome; null without any.' })
  observedDefaultRate: number | null
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [BandShare], { description: 'All eight bands, from T1.' })
  bands: BandShare[]
}

@ObjectType({ description: 'What was predicted in a range of time, and what became of it.' })
export class RiskSummary {
  @Field(() => Int) total: number
  @Field(() => Float, { nullable: true, description: 'Null without predictions.' }) meanProbability: number | null
  @Field(() => Float, { nullable: true, description: 'Null without predictions.' }) highRiskRate: number | null
  @Field(() => Float, { nullable: true, description: 'Defaults among the predictions with an outcome; null without any.' })
  observedDefaultRate: number | null
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [BandShare], { description: 'All eight bands, from T1.' })
  bands: BandShare[]
  @Cost({ size: 'rows' })
  @Field(() => [RiskBucket], { description: 'Every interval of the range, oldest first, also where nothing was predicted.' })
  buckets: RiskBucket[]
}
