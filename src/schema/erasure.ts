import { Field, ID, InputType, Int, ObjectType } from 'type-graphql'

@InputType({ description: 'Whose personal data are to be erased.' })
export class EraseApplicantInput {
  @Field(() => ID, { description: 'The reference that the applicant was scored under.' }) applicantId: string
}

@ObjectType()
export class EraseApplicantPayload {
  @Field(() => Int, { description: 'Predictions that this call has erased.' }) erased: number
  @Field(() => Boolean, { description: 'False when there are more of them than one call erases: call again.' }) complete: boolean
}
