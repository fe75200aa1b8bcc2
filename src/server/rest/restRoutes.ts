import type { ModelContract } from '../../scoring/contract.js'
import { MODEL_ROUTES } from './modelRoutes.js'
import { PREDICTION_ROUTES } from './predictionRoutes.js'
import { predictRoutes } from './predictRoutes.js'
import { RELEASE_ROUTES } from './releaseRoutes.js'
import type { RestRoute } from './restRoute.js'

/** All routes of the REST door, in the order in which OpenAPI shows them. A gateway without a model has none. */
export function restRoutes(contracts: readonly ModelContract[]): readonly RestRoute[] {
  if (contracts.length === 0) return []
  return [...predictRoutes(contracts), ...PREDICTION_ROUTES, ...MODEL_ROUTES, ...RELEASE_ROUTES]
}
