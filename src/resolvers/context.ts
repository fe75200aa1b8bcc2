import type { Principal } from '../auth/principal.js'
import type { AuditTrail } from './auditTrail.js'
import type { Loaders } from './loaders.js'

/** What every resolver of one operation shares. */
export interface RequestContext {
  readonly principal: Principal
  /** Told of every read of personal data before it is answered. Of a stream's events it is not: their record is the subscription. */
  readonly audit: AuditTrail
  readonly loaders: Loaders
}
