import { Field, InputType, Int, ObjectType } from 'type-graphql'
import { ID } from './scalars.js'

@InputType({ description: 'The applicant whose personal data is to be erased.' })
export class EraseApplicantInput {
  @Field(() => ID, { description: 'The reference that the applicant was scored under.' }) applicantId: string
}

@ObjectType()
export class EraseApplicantPayload {
  @Field(() => Int, { description: 'The number of predictions that this call has erased.' }) erased: number
  @Field(() => Boolean, { description: 'False when there is more to erase, or may be, as just after an upgrade: call again.' })
  complete: boolean
}
