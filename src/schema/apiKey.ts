import { Field, ID, InputType, ObjectType } from 'type-graphql'
import type { Role } from '../auth/principal.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTime, RoleEnum } from './scalars.js'

@ObjectType({
  description: 'A key that a client calls with, sent as a token is. Its text is shown when it is created, and never again.',
})
export class ApiKey {
  @Field(() => ID) id: string
  @Field(() => ID, { description: 'The stable client id that it calls as. A new key of the same principal takes its place.' })
  principal: string
  @Field(() => String, { nullable: true }) description: string | null
  @Field(() => [RoleEnum]) roles: readonly Role[]
  @Field(() => DateTime) createdAt: Date
  @Field(() => String, { description: 'The principal that created it.' }) createdBy: string
  @Field(() => DateTime) expiresAt: Date
  @Field(() => DateTime, {
    nullable: true,
    description: 'When it last let a call in or carried a stream, as known half a minute ago; null while it never did.',
  })
  lastUsedAt: Date | null
  @Field(() => DateTime, { nullable: true }) revokedAt: Date | null
  @Field(() => String, { nullable: true, description: 'The principal that revoked it.' }) revokedBy: string | null
}

@ObjectType()
export class ApiKeyEdge {
  @Field(() => String) cursor: string
  @Field(() => ApiKey) node: ApiKey
}

@ObjectType({ description: 'A page of API keys, newest first (Relay cursor connection).' })
export class ApiKeyConnection {
  @Cost({ size: 'rows' }) @Field(() => [ApiKeyEdge]) edges: ApiKeyEdge[]
  @Cost({ size: 'rows' }) @Field(() => [ApiKey]) nodes: ApiKey[]
  @Field(() => PageInfo) pageInfo: PageInfo
}

@InputType()
export class CreateApiKeyInput {
  @Field(() => ID, { description: 'Stable id of the client: 1 to 128 ASCII characters without spaces.' }) principal: string
  @Field(() => String, { nullable: true, description: 'What it is for; at most 200 characters.' }) description?: string | null
  @Field(() => [RoleEnum], { description: 'At least one, none that may do more than the caller.' }) roles: Role[]
  @Field(() => DateTime, { nullable: true, description: 'Within 730 days; a year from now without it.' })
  expiresAt?: Date | null
}

@InputType()
export class RevokeApiKeyInput {
  @Field(() => ID) apiKeyId: string
}

@ObjectType()
export class CreateApiKeyPayload {
  @Field(() => ApiKey) apiKey: ApiKey
  @Field(() => String, { description: 'What the client sends: Authorization: Bearer <key>. It is shown this once.' }) key: string
}

@ObjectType()
export class RevokeApiKeyPayload {
  @Field(() => ApiKey) apiKey: ApiKey
}
