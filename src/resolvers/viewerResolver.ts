import { Ctx, Query, Resolver } from 'type-graphql'
import { Viewer } from '../schema/viewer.js'
import type { RequestContext } from './context.js'

@Resolver()
export class ViewerResolver {
  @Query(() => Viewer, { description: 'Who the caller is, its tenant, roles and permissions.' })
  viewer(@Ctx() { principal: { id, tenant, roles, permissions } }: RequestContext): Viewer {
    return { id, tenant, roles, permissions: [...permissions] }
  }
}
