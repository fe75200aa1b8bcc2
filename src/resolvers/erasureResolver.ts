import { Arg, Ctx, Mutation, Resolver } from 'type-graphql'
import { EraseApplicantInput, EraseApplicantPayload } from '../schema/erasure.js'
import { requireFindable } from '../scoring/reference.js'
import type { ErasureStore } from '../storage/predictions/erasureStore.js'
import type { RequestContext } from './context.js'

@Resolver()
export class ErasureResolver {
  readonly #erasures: ErasureStore

  constructor(erasures: ErasureStore) {
    this.#erasures = erasures
  }

  @Mutation(() => EraseApplicantPayload, {
    description:
      'Erases the personal data of an applicant: its reference, the features and the idempotency keys of all its predictions. The predictions themselves stay, without a link to a person or to each other, so that the statistics stay true. Audited. Safe to repeat.',
  })
  async eraseApplicant(
    @Arg('input', () => EraseApplicantInput) { applicantId }: EraseApplicantInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<EraseApplicantPayload> {
    requireFindable(applicantId, 'applicantId')
    const { count, complete } = await this.#erasures.erase({ tenant: principal.tenant, applicantId, principal: principal.id })
    return { erased: count, complete }
  }
}
