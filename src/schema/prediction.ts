import { Field, Float, InputType, ObjectType } from 'type-graphql'
import type { RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTime, ID, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'One feature as it was scored: a number, a category, or missing. A Boolean is shown as 1 or 0.' })
export class FeatureValue {
  @Field(() => String) name: string
  @Field(() => Float, { nullable: true }) number: number | null
  @Field(() => String, { nullable: true }) category: string | null
  @Field(() => Boolean) missing: boolean
}

@ObjectType({ description: 'One scored application, stored.' })
export class Prediction {
  @Field(() => ID) id: string
  @Field(() => ID, { description: "The caller's own reference to the applicant." }) applicantId: string
  @Field(() => Float, { description: 'Probability of default, 0..1.' }) probability: number
  @Field(() => RiskBandEnum) band: RiskBand
  @Field(() => Boolean) highRisk: boolean
  @Field(() => String, { description: 'The name of the model that scored it.' }) model: string
  @Field(() => String, { nullable: true }) channel: string | null
  @Field(() => DateTime) createdAt: Date
  @Field(() => String, { description: 'The principal that asked for the score.' }) requestedBy: string
}

@ObjectType({ description: 'An applicant, known by the reference that callers use.' })
export class Applicant {
  @Field(() => ID) id: string
}

@ObjectType()
export class PredictionEdge {
  @Field(() => String) cursor: string
  @Field(() => Prediction) node: Prediction
}

@ObjectType({ description: 'A page of predictions (Relay cursor connection).' })
export class PredictionConnection {
  @Cost({ size: 'rows' }) @Field(() => [PredictionEdge]) edges: PredictionEdge[]
  @Cost({ size: 'rows' }) @Field(() => [Prediction]) nodes: Prediction[]
  @Field(() => PageInfo) pageInfo: PageInfo
}

@InputType({ description: 'Half-open: from <= x < to.' })
export class FloatRange {
  @Field(() => Float, { nullable: true }) from?: number | null
  @Field(() => Float, { nullable: true }) to?: number | null
}

@InputType({ description: 'Half-open: from <= t < to.' })
export class DateTimeRange {
  @Field(() => DateTime, { nullable: true }) from?: Date | null
  @Field(() => DateTime, { nullable: true }) to?: Date | null
}

@InputType({ description: 'Which predictions to list; all conditions must hold.' })
export class PredictionFilter {
  @Field(() => ID, { nullable: true }) applicantId?: string | null
  @Field(() => [RiskBandEnum], { nullable: true }) bands?: RiskBand[] | null
  @Field(() => Boolean, { nullable: true }) highRisk?: boolean | null
  @Field(() => String, { nullable: true }) model?: string | null
  @Field(() => String, { nullable: true }) modelVersion?: string | null
  @Field(() => FloatRange, { nullable: true }) probability?: FloatRange | null
  @Field(() => DateTimeRange, { nullable: true }) createdAt?: DateTimeRange | null
  @Field(() => Boolean, { nullable: true, description: 'Whether an outcome of the loan is recorded.' })
  hasOutcome?: boolean | null
  @Field(() => String, { nullable: true }) channel?: string | null
}
