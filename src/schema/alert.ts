import { Field, InputType, ObjectType } from 'type-graphql'
import type { RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { Prediction } from './prediction.js'
import { DateTime, ID, RiskBandEnum } from './scalars.js'

@ObjectType({ description: 'An entry of the durable feed of high-risk scores.' })
export class HighRiskAlert {
  @Field(() => ID) id: string
  @Field(() => String, {
    description:
      'Opaque and strictly increasing. Send it back as `after` to resume. CURSOR_EXPIRED when it is older than the retention, BAD_CURSOR when it does not belong to this feed; never a silent gap.',
  })
  cursor: string
  @Field(() => Prediction) prediction: Prediction
  @Field(() => DateTime) raisedAt: Date
  @Field(() => DateTime, { nullable: true, description: 'When it was first acknowledged; null before that.' })
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

@InputType({ description: 'Which alerts to receive; all conditions must hold.' })
export class AlertFilter {
  @Field(() => [RiskBandEnum], { nullable: true }) bands?: RiskBand[] | null
  @Field(() => String, { nullable: true }) model?: string | null
  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether somebody has acknowledged the alert: at the time of the query in a page, at its delivery in a subscription.',
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
