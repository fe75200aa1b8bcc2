import type { RequestContext } from '../../resolvers/context.js'
import type { RequestNames } from '../requestNames.js'
import type { Entrant } from './operationGate.js'

/** The context of an operation that came in a request of its own. */
export type GatewayContext = RequestContext & Entrant & { readonly request: RequestNames }

/** An operation that has ended, for logs and metrics. */
export interface OperationReport {
  /** In GraphQL the root field, or `none` when the request has no valid operation. In REST the name of the route's operation. */
  readonly operation: string
  /** `OK`, or the code of the first error. */
  readonly code: string
  readonly seconds: number
  /** The HTTP status of the answer. */
  readonly status: number
  readonly context: GatewayContext
}

/** Called for each look-up of what is kept of an earlier operation with the same text: whether it was found. */
export interface ObserveLookups {
  readonly document: (isHit: boolean) => void
  readonly prepared: (isHit: boolean) => void
}
