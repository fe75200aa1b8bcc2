import { Field, InputType, ObjectType } from 'type-graphql'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTimeRange } from './prediction.js'
import { DateTime, ID, Json } from './scalars.js'

@ObjectType({ description: 'One action of a principal. Entries are only ever added.' })
export class AuditEntry {
  @Field(() => ID) id: string
  @Field(() => DateTime) at: Date
  @Field(() => String, { description: 'The principal that did it.' }) principal: string
  @Field(() => String, { description: 'The action, such as outcome.recorded or history.read.' }) action: string
  @Field(() => String, {
    description: 'The id of the object of the action: for an applicant a keyed digest of its reference, for a list the tenant.',
  })
  subject: string
  @Field(() => Json, {
    description: 'Further details, different for each action. Texts that a caller filtered by are shown as keyed digests.',
  })
  details: unknown
  @Field(() => Boolean, {
    description: 'Whether a seal covers the entry: from then on `riskgate audit verify` finds any change of it.',
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

@InputType({ description: 'Which entries to list; all conditions must hold.' })
export class AuditFilter {
  @Field(() => String, { nullable: true }) action?: string | null
  @Field(() => String, { nullable: true }) principal?: string | null
  @Field(() => ID, {
    nullable: true,
    description: 'The reference of an applicant: lists the entries whose subject is its digest.',
  })
  applicantId?: string | null
  @Field(() => String, { nullable: true, description: 'The subject as an entry shows it.' }) subject?: string | null
  @Field(() => DateTimeRange, { nullable: true }) at?: DateTimeRange | null
}
