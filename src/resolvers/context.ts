import type { Principal } from '../auth/principal.js'
import type { Loaders } from './loaders.js'

/** What every resolver of one operation shares. */
export interface RequestContext {
  readonly principal: Principal
  readonly loaders: Loaders
}
