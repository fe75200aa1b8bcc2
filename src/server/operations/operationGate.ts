import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'graphql'
import { OperationTypeNode } from 'graphql'
import { requirePermission } from '../../auth/permissions.js'
import type { Principal } from '../../auth/principal.js'
import { type ChargePoints, type Quota, quotaHeaders, RateLimitedError, refusalHeaders } from '../limits/quota.js'
import { tooComplex } from './documentLimits.js'
import { type OperationCost, operationCost } from './operationCost.js'
import { type OperationShape, shapesOf } from './operationShape.js'

type Variables = Readonly<Record<string, unknown>>
type SetHeaders = (headers: Readonly<Record<string, string>>) => void

const MAX_COST = 10_000
const MAY_NOT_INTROSPECT = 'Your roles do not let you read the schema. Ask for a token of another role, or for schema.graphql.'
/** What a request pays that is not known yet, be it valid or not. */
export const POINTS_OF_A_LOOK = 1
/** One point for so many objects of a query's answer. */
const OBJECTS_A_POINT = 100

export interface GateOptions {
  readonly schema: GraphQLSchema
  readonly chargePoints: ChargePoints
  /** The schema is open to everyone who is signed in. */
  readonly development: boolean
}

/** What is known of an operation before its variables. */
export interface MeasuredOperation extends OperationCost {
  readonly kind: OperationTypeNode
  readonly shape: OperationShape
}

/** Who wants in. */
export interface Entrant {
  readonly principal: Principal
  /** Takes the headers of the answer, where it has any. */
  readonly setHeaders?: SetHeaders | undefined
  /** Points that its request has paid before anything of it was read. */
  readonly paidPoints?: number | undefined
}

/** What every operation passes before it is executed, whatever way it came. */
export class OperationGate {
  readonly #options: GateOptions
  readonly #measured = new WeakMap<OperationDefinitionNode, MeasuredOperation>()

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Of a valid document. */
  measure(document: DocumentNode, operation: OperationDefinitionNode): MeasuredOperation {
    const known = this.#measured.get(operation)
    if (known) return known
    const cost = operationCost(this.#options.schema, document, operation)
    const measured = { ...cost, kind: operation.operation, shape: shapesOf(document)(operation) }
    this.#measured.set(operation, measured)
    return measured
  }

  /**
   * Lets an operation in whose variables are coerced, and takes what it costs. Answers a promise only where that takes time.
   * @throws AppError FORBIDDEN, QUERY_TOO_COMPLEX, RATE_LIMITED
   */
  enter(measured: MeasuredOperation, entrant: Entrant, variables: Variables): void | Promise<void> {
    const { kind, shape } = measured
    if (shape.introspects && !this.#options.development) {
      requirePermission(entrant.principal, 'schema:introspect', MAY_NOT_INTROSPECT)
    }
    const cost = this.refuseCostly(measured, variables)
    const answerPoints = Math.floor(cost / OBJECTS_A_POINT)
    // Of a mutation whatever is more: the history of an applicant may hang on a single score.
    const points =
      kind === OperationTypeNode.MUTATION ? Math.max(measured.rowsOf(variables), answerPoints) : shape.rootFields + answerPoints
    const due = points - (entrant.paidPoints ?? 0)
    if (due > 0) return this.charge(entrant, due)
  }

  /** Answers the cost. @throws AppError QUERY_TOO_COMPLEX */
  refuseCostly(measured: MeasuredOperation, variables: Variables): number {
    const cost = measured.costOf(variables)
    if (cost <= MAX_COST) return cost
    throw tooComplex(`The answer could hold over ${MAX_COST} objects. Ask for smaller pages, or for less of each row.`)
  }

  /** @throws RateLimitedError */
  charge({ principal, setHeaders }: Entrant, points: number): void | Promise<void> {
    try {
      const quota = this.#options.chargePoints(principal, points)
      if (quota instanceof Promise)
        return quota.then(
          left => tell(left, setHeaders),
          error => refuse(error, setHeaders),
        )
      tell(quota, setHeaders)
    } catch (error) {
      refuse(error, setHeaders)
    }
  }
}

function tell(quota: Quota | undefined, setHeaders: SetHeaders | undefined): void {
  if (quota) setHeaders?.(quotaHeaders(quota))
}

function refuse(error: unknown, setHeaders: SetHeaders | undefined): never {
  if (error instanceof RateLimitedError) setHeaders?.(refusalHeaders(error))
  throw error
}
