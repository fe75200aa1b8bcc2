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
  readonly loaders: Loaders
  /** In the context and not in a resolver: TypeGraphQL calls `subscribe` without the resolver's instance. */
  readonly alertFeed: AlertFeed
}

/** Makes the context of one operation. */
export type ContextOf = (principal: Principal, options: { isStream: boolean }) => RequestContext
