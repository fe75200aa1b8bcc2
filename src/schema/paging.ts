import { Field, Int, ObjectType } from 'type-graphql'

@ObjectType({ description: 'Where a page stands in its list (Relay cursor connections).' })
export class PageInfo {
  @Field(() => Boolean) hasNextPage: boolean
  @Field(() => Boolean) hasPreviousPage: boolean
  @Field(() => String, { nullable: true }) startCursor: string | null
  @Field(() => String, { nullable: true }) endCursor: string | null
}

@ObjectType({ description: 'How many rows a whole list has, whatever its page.' })
export class Total {
  @Field(() => Int) count: number
  @Field(() => Boolean, { description: 'False where the rows were too many to count: then `count` is an estimate.' })
  exact: boolean
}
