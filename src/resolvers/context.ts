import type { AlertFeed } from '../alerts/feed.js'
import type { Principal } from '../auth/principal.js'
import type { AuditTrail } from './auditTrail.js'
import type { Loaders } from './loaders.js'

/** Everything that the resolvers of one operation share. */
export interface RequestContext {
  readonly principal: Principal
  /**
   * Records every read of personal data before it is answered. Events of a stream are left out: the subscription is their record.
   */
  readonly audit: AuditTrail
  /** Created by the first field that loads: most scores load nothing. */
  readonly loaders: () => Loaders
  /** In the context and not in a resolver: TypeGraphQL calls `subscribe` without the resolver's instance. */
  readonly alertFeed: AlertFeed
  /** What is loaded from now on shows what was written meanwhile. */
  readonly forgetLoaded: () => void
}

/** Makes the context of one operation. */
export type ContextOf = (principal: Principal, options: { isStream: boolean }) => RequestContext

type Parts = Pick<RequestContext, 'principal' | 'audit' | 'alertFeed'>

/** Apollo copies the context of each request, so what is loaded is not kept in the object itself. */
export function operationContext({ principal, audit, alertFeed }: Parts, createLoaders: () => Loaders): RequestContext {
  let loaders: Loaders | undefined
  return {
    principal,
    audit,
    alertFeed,
    loaders: () => {
      loaders ??= createLoaders()
      return loaders
    },
    forgetLoaded: () => {
      loaders = undefined
    },
  }
}
