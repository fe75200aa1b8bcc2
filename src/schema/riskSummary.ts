import { Field, Float, Int, ObjectType } from 'type-graphql'
import { RISK_BANDS, type RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { DateTime, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'The predictions of one band, as a count and as a share.' })
export class BandShare {
  @Field(() => RiskBandEnum) band: RiskBand
  @Field(() => Int) count: number
  @Field(() => Float, { description: '0..1; 0 where there are no predictions at all.' }) share: number
}

@ObjectType({ description: 'The predictions of one interval.' })
export class RiskBucket {
  @Field(() => DateTime, { description: 'When the interval begins; it ends when the next one begins.' }) start: Date
  @Field(() => Int) count: number
  @Field(() => Float, { nullable: true, description: 'Null without predictions.' }) meanProbability: number | null
  @Field(() => Float, { nullable: true, description: 'Defaults among the predictions with an outcome; null without any.' })
  observedDefaultRate: number | null
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [BandShare], { description: 'All eight bands, from T1.' })
  bands: BandShare[]
}

@ObjectType({ description: 'The predictions of a time range, and the outcomes of their loans.' })
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
  @Field(() => [RiskBucket], { description: 'Every interval of the range, oldest first, including those without predictions.' })
  buckets: RiskBucket[]
}
