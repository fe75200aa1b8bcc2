import { Field, ID, InputType, ObjectType } from 'type-graphql'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTimeRange } from './prediction.js'
import { DateTime, Json } from './scalars.js'

@ObjectType({ description: 'One thing that somebody did. Entries are only ever added.' })
export class AuditEntry {
  @Field(() => ID) id: string
  @Field(() => DateTime) at: Date
  @Field(() => String, { description: 'Who did it.' }) principal: string
  @Field(() => String, { description: 'What was done, such as outcome.recorded or history.read.' }) action: string
  @Field(() => String, {
    description: 'The id of what it was done to; for an applicant a keyed digest of its reference; for a list the tenant.',
  })
  subject: string
  @Field(() => Json, {
    description: 'What else is known of it, by action. Texts that a caller has filtered by stand as keyed digests.',
  })
  details: unknown
  @Field(() => Boolean, {
    description: 'Whether it is under a seal: from then on `riskgate audit verify` finds any change of it.',
  })
  sealed: boolean
}

@ObjectType()
export class AuditEntryEdge {
  @Field(() => String) cursor: string
  @Field(() => AuditEntry) node: AuditEntry
}

@ObjectType({ description: 'A page of the audit (Relay cursor connection).' })
export class AuditEntryConnection {
  @Cost({ size: 'rows' }) @Field(() => [AuditEntryEdge]) edges: AuditEntryEdge[]
  @Cost({ size: 'rows' }) @Field(() => [AuditEntry]) nodes: AuditEntry[]
  @Field(() => PageInfo) pageInfo: PageInfo
}

@InputType({ description: 'What entries to list: all conditions hold together.' })
export class AuditFilter {
  @Field(() => String, { nullable: true }) action?: string | null
  @Field(() => String, { nullable: true }) principal?: string | null
  @Field(() => ID, { nullable: true, description: 'The reference of an applicant: entries whose subject is its digest.' })
  applicantId?: string | null
  @Field(() => String, { nullable: true, description: 'As an entry shows it.' }) subject?: string | null
  @Field(() => DateTimeRange, { nullable: true }) at?: DateTimeRange | null
}
