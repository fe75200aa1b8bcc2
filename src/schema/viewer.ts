import { Field, ObjectType } from 'type-graphql'
import type { Role } from '../auth/principal.js'
import { ID, RoleEnum } from './scalars.js'

@ObjectType({ description: 'The caller.' })
export class Viewer {
  @Field(() => ID, { description: 'Stable id of the client; renewing its token does not change it.' }) id: string
  @Field(() => String) tenant: string
  @Field(() => [RoleEnum]) roles: readonly Role[]
  @Field(() => [String], { description: 'What the roles allow, such as prediction:create.' }) permissions: readonly string[]
}
