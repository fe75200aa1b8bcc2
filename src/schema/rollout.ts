import { Field, Float, InputType, Int, ObjectType } from 'type-graphql'
import { AdmissionReport } from './admissionReport.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTime, ID, ModelStageEnum, ReleaseActionEnum, ReleaseChangeStateEnum } from './scalars.js'

@ObjectType({ description: 'A version that gets a part of the applicants: always the same ones.' })
export class TrafficShare {
  @Field(() => String) version: string
  @Field(() => Float, { description: 'Above 0, at most 1.' }) share: number
}

@ObjectType({ description: 'A version with the stage that the rollout gives it.' })
export class VersionStage {
  @Field(() => String) version: string
  @Field(() => ModelStageEnum) stage: keyof typeof ModelStageEnum
}

@ObjectType({ description: 'Which versions of a model serve, on all gateways within two seconds of a change.' })
export class Rollout {
  @Field(() => String, { nullable: true, description: 'The version that answers; null where none does.' })
  champion: string | undefined
  @Field(() => TrafficShare, { nullable: true, description: 'Answers its share of the applicants in place of the champion.' })
  challenger: TrafficShare | undefined
  @Field(() => TrafficShare, { nullable: true, description: 'Scores its share of the applications; nobody gets its answers.' })
  shadow: TrafficShare | undefined
  @Cost({ size: 10 })
  @Field(() => [String], { description: 'The champions that a rollback goes back to, the newest first.' })
  earlier: readonly string[]
  @Cost({ size: 10 })
  @Field(() => [String], { description: 'The versions that were taken out. No rollback goes back to them.' })
  retired: readonly string[]
  @Field(() => Int, { description: 'Grows by one with each change.' }) revision: number
  @Cost({ size: 10 })
  @Field(() => [VersionStage], { description: 'The stage of every version that a gateway has checked.' })
  stages: VersionStage[]
}

@ObjectType({ description: 'A change of a rollout, made or proposed.' })
export class ReleaseChange {
  @Field(() => ID) id: string
  @Field(() => String, { description: 'The name of its model.' }) model: string
  @Field(() => ReleaseActionEnum) action: keyof typeof ReleaseActionEnum
  @Field(() => String, {
    nullable: true,
    description: 'The version that is promoted or retired; for a rollback, the champion that is left. Null for a split.',
  })
  version: string | undefined
  @Field(() => TrafficShare, { nullable: true, description: 'For a split; null for nobody.' }) challenger:
    | TrafficShare
    | undefined
  @Field(() => TrafficShare, { nullable: true, description: 'For a split; null for nobody.' }) shadow: TrafficShare | undefined
  @Field(() => String) reason: string
  @Field(() => ReleaseChangeStateEnum) state: keyof typeof ReleaseChangeStateEnum
  @Field(() => String, {
    nullable: true,
    description: 'The principal that asked for it, `folder` or `mlflow`. Null for a principal of another tenant.',
  })
  proposedBy: string | undefined
  @Field(() => DateTime) proposedAt: Date
  @Field(() => String, {
    nullable: true,
    description: 'The principal that applied or refused it. Null while it is PROPOSED, and for a principal of another tenant.',
  })
  decidedBy: string | undefined
  @Field(() => DateTime, { nullable: true }) decidedAt: Date | undefined
  @Field(() => String, { nullable: true, description: 'Why it was refused.' }) decisionReason: string | undefined
}

@ObjectType()
export class ReleaseChangeEdge {
  @Field(() => String) cursor: string
  @Field(() => ReleaseChange) node: ReleaseChange
}

@ObjectType({ description: 'A page of changes, newest first (Relay cursor connection).' })
export class ReleaseChangeConnection {
  @Cost({ size: 'rows' }) @Field(() => [ReleaseChangeEdge]) edges: ReleaseChangeEdge[]
  @Cost({ size: 'rows' }) @Field(() => [ReleaseChange]) nodes: ReleaseChange[]
  @Field(() => PageInfo) pageInfo: PageInfo
}

const MODEL = 'The name of the model.'
const REASON = '1 to 500 printable characters, for the audit.'

@InputType()
export class PromoteModelVersionInput {
  @Field(() => String, { description: MODEL }) model: string
  @Field(() => String) version: string
  @Field(() => String, { description: REASON }) reason: string
}

@InputType()
export class RollbackModelInput {
  @Field(() => String, { description: MODEL }) model: string
  @Field(() => String, {
    nullable: true,
    description: 'The champion to leave: with it, a call that is repeated does not go back twice. By default the present one.',
  })
  from?: string | null
  @Field(() => String, { description: REASON }) reason: string
}

@InputType()
export class TrafficShareInput {
  @Field(() => String) version: string
  @Field(() => Float, { description: 'Above 0. Below 1 for a challenger, at most 1 for a shadow.' }) share: number
}

@InputType()
export class SetTrafficSplitInput {
  @Field(() => String, { description: MODEL }) model: string
  @Field(() => TrafficShareInput, { nullable: true, description: 'Null or absent: no challenger from now on.' })
  challenger?: TrafficShareInput | null
  @Field(() => TrafficShareInput, { nullable: true, description: 'Null or absent: no shadow from now on.' })
  shadow?: TrafficShareInput | null
  @Field(() => String, { description: REASON }) reason: string
}

@InputType()
export class RetireModelVersionInput {
  @Field(() => String, { description: MODEL }) model: string
  @Field(() => String) version: string
  @Field(() => String, { description: REASON }) reason: string
}

@InputType()
export class ApproveReleaseChangeInput {
  @Field(() => ID) changeId: string
}

@InputType()
export class RefuseReleaseChangeInput {
  @Field(() => ID) changeId: string
  @Field(() => String, { description: REASON }) reason: string
}

@InputType()
export class AdmitModelVersionInput {
  @Field(() => String, { description: MODEL }) model: string
  @Field(() => String) version: string
}

@ObjectType()
export class AdmitModelVersionPayload {
  @Field(() => AdmissionReport) report: AdmissionReport
}

@ObjectType({ description: 'What became of a change of a rollout.' })
export class ReleasePayload {
  @Field(() => Rollout, { description: 'The rollout from now on.' }) rollout: Rollout
  @Field(() => ReleaseChange, { nullable: true, description: 'Null where the rollout already was as asked.' })
  change: ReleaseChange | undefined
}
