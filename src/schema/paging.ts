import { Field, Int, ObjectType } from 'type-graphql'

@ObjectType({ description: 'The position of a page in its list (Relay cursor connections).' })
export class PageInfo {
  @Field(() => Boolean) hasNextPage: boolean
  @Field(() => Boolean) hasPreviousPage: boolean
  @Field(() => String, { nullable: true }) startCursor: string | null
  @Field(() => String, { nullable: true }) endCursor: string | null
}

@ObjectType({ description: 'How many rows the whole list has, on all pages.' })
export class Total {
  @Field(() => Int) count: number
  @Field(() => Boolean, { description: 'False where the rows were too many to count: then `count` is an estimate.' })
  exact: boolean
}
