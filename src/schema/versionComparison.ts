import { Field, Float, Int, ObjectType } from 'type-graphql'
import { RISK_BANDS, type RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { RiskBandEnum } from './scalars.js'

const QUANTILES = 7

@ObjectType({ description: 'Where the applications of one band of the other version are put by this one.' })
export class BandMigration {
  @Field(() => RiskBandEnum, { description: 'By the other version.' }) band: RiskBand
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [Int], { description: 'How many this version puts in T1 to T8.' })
  counts: readonly number[]
}

@ObjectType({ description: 'The part of differences, 0..1, that is at most this value.' })
export class DifferenceQuantile {
  @Field(() => Float) quantile: number
  @Field(() => Float) difference: number
}

@ObjectType({
  description:
    'Two versions on the same applications of the tenant: those that one of them answered while the other scored them apart. A difference is the probability of this version minus that of the other.',
})
export class VersionComparison {
  @Field(() => String) model: string
  @Field(() => String) version: string
  @Field(() => String, { description: 'The other version.' }) against: string
  @Field(() => Int, { description: 'Applications that both have scored.' }) rows: number
  @Field(() => Boolean, { description: 'False where the range holds more of them: the newest are compared.' }) complete: boolean
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [BandMigration], { description: 'All eight bands, from T1.' })
  matrix: BandMigration[]
  @Field(() => Float, { nullable: true, description: 'Null without rows.' }) meanDifference: number | null
  @Field(() => Float, { nullable: true, description: 'Null without rows.' }) meanAbsoluteDifference: number | null
  @Field(() => Float, { nullable: true, description: 'Null without rows.' }) largestAbsoluteDifference: number | null
  @Cost({ size: QUANTILES })
  @Field(() => [DifferenceQuantile], { description: 'At 1, 5, 25, 50, 75, 95 and 99 %. Empty without rows.' })
  quantiles: DifferenceQuantile[]
}
