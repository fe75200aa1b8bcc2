import { Field, InputType, ObjectType } from 'type-graphql'
import type { Role } from '../auth/principal.js'
import { Cost } from './cost.js'
import { PageInfo } from './paging.js'
import { DateTime, ID, RoleEnum } from './scalars.js'

@ObjectType({
  description: 'A key that a client sends in place of an access token. Its text is shown when it is created, and never again.',
})
export class ApiKey {
  @Field(() => ID) id: string
  @Field(() => ID, {
    description: 'The stable client id of calls with this key. A new key of the same principal can replace it.',
  })
  principal: string
  @Field(() => String, { nullable: true }) description: string | null
  @Field(() => [RoleEnum]) roles: readonly Role[]
  @Field(() => DateTime) createdAt: Date
  @Field(() => String, { description: 'The principal that created it.' }) createdBy: string
  @Field(() => DateTime) expiresAt: Date
  @Field(() => DateTime, {
    nullable: true,
    description: 'When it last let a call in or carried a stream, known up to half a minute late; null if it never did.',
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
  @Field(() => [RoleEnum], { description: 'At least one role, and none with permissions that the caller does not have.' })
  roles: Role[]
  @Field(() => DateTime, { nullable: true, description: 'At most 730 days from now; a year from now by default.' })
  expiresAt?: Date | null
}

@InputType()
export class RevokeApiKeyInput {
  @Field(() => ID) apiKeyId: string
}

@ObjectType()
export class CreateApiKeyPayload {
  @Field(() => ApiKey) apiKey: ApiKey
  @Field(() => String, { description: 'The client sends it as Authorization: Bearer <key>. It is shown only this once.' })
  key: string
}

@ObjectType()
export class RevokeApiKeyPayload {
  @Field(() => ApiKey) apiKey: ApiKey
}
