import { Arg, Ctx, FieldResolver, Int, Query, Resolver, Root } from 'type-graphql'
import { Cost } from '../schema/cost.js'
import { Applicant, Prediction, PredictionConnection } from '../schema/prediction.js'
import { ID } from '../schema/scalars.js'
import { requireFindable } from '../scoring/reference.js'
import type { RequestContext } from './context.js'
import { pageRequest, rowsOfPage, toConnection } from './paging.js'

@Resolver(() => Applicant)
export class ApplicantResolver {
  @Query(() => Applicant, {
    nullable: true,
    description: 'Everything known of one applicant reference; null where the caller may see no prediction of it.',
  })
  async applicant(@Arg('id', () => ID) id: string, @Ctx() { loaders }: RequestContext): Promise<Applicant | null> {
    requireFindable(id, 'id')
    return (await loaders().latestOfApplicant.load(id)) && { id }
  }

  @FieldResolver(() => Prediction, { nullable: true, description: 'The newest prediction that the caller may see.' })
  latestPrediction(@Root() { id }: Applicant, @Ctx() { loaders }: RequestContext): Promise<Prediction | null> {
    return loaders().latestOfApplicant.load(id)
  }

  @Cost({ rows: rowsOfPage })
  @FieldResolver(() => PredictionConnection, { description: 'Its predictions, newest first. Page size 1..100, 20 by default.' })
  async predictions(
    @Root() { id }: Applicant,
    @Ctx() { loaders }: RequestContext,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
  ): Promise<PredictionConnection> {
    const request = pageRequest({ first, after })
    const page = await loaders().pageOfApplicant.load({ applicantId: id, size: request.size, after: request.after })
    return toConnection(page, request, () => loaders().totalOfApplicant.load(id))
  }
}
