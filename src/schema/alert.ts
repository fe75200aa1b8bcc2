import { Field, ID, InputType, ObjectType } from 'type-graphql'
import type { RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { Prediction } from './prediction.js'
import { DateTime, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'An entry of the durable feed of high-risk scores.' })
export class HighRiskAlert {
  @Field(() => ID) id: string
  @Field(() => String, {
    description:
      'Opaque, strictly increasing; give it back as `after` to resume. CURSOR_EXPIRED when older than the retention, BAD_CURSOR when it is not one of this feed; never a silent gap.',
  })
  cursor: string
  @Field(() => Prediction) prediction: Prediction
  @Field(() => DateTime) raisedAt: Date
  @Field(() => DateTime, { nullable: true, description: 'When it was first acknowledged; null while nobody has.' })
  acknowledgedAt: Date | null
  @Field(() => String, { nullable: true, description: 'The principal that acknowledged it first.' })
  acknowledgedBy: string | null
}

@ObjectType()
export class HighRiskAlertEdge {
  @Field(() => String) cursor: string
  @Field(() => HighRiskAlert) node: HighRiskAlert
}

@ObjectType({ description: 'A page of alerts, oldest first (Relay cursor connection).' })
export class HighRiskAlertConnection {
  @Cost({ size: 'rows' }) @Field(() => [HighRiskAlertEdge]) edges: HighRiskAlertEdge[]
  @Cost({ size: 'rows' }) @Field(() => [HighRiskAlert]) nodes: HighRiskAlert[]
  @Field(() => PageInfo) pageInfo: PageInfo
}

@InputType({ description: 'What alerts to hear of: all conditions hold together.' })
export class AlertFilter {
  @Field(() => [RiskBandEnum], { nullable: true }) bands?: RiskBand[] | null
  @Field(() => String, { nullable: true }) model?: string | null
  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether somebody has acknowledged it: in a page as of now, in a subscription as of its delivery.',
  })
  acknowledged?: boolean | null
}

@InputType()
export class AcknowledgeAlertInput {
  @Field(() => ID) alertId: string
}

@ObjectType()
export class AcknowledgeAlertPayload {
  @Field(() => HighRiskAlert) alert: HighRiskAlert
}
