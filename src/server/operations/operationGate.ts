import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'graphql'
import { OperationTypeNode } from 'graphql'
import { requirePermission } from '../../auth/permissions.js'
import type { Principal } from '../../auth/principal.js'
import { type Tracer, UNTRACED } from '../../tracer.js'
import { type ChargePoints, type Quota, quotaHeaders, RateLimitedError, refusalHeaders } from '../limits/quota.js'
import { tooComplex } from './documentLimits.js'
import { type OperationCost, operationCost } from './operationCost.js'
import { type OperationShape, shapesOf } from './operationShape.js'

type Variables = Readonly<Record<string, unknown>>
type SetHeaders = (headers: Readonly<Record<string, string>>) => void

const MAX_COST = 10_000
const MAY_NOT_INTROSPECT = 'Your roles do not let you read the schema. Ask for a token of another role, or for schema.graphql.'
/** The points that a request pays when its document is not known yet, valid or not. */
export const UNREAD_POINTS = 1
/** A point is charged for this many objects of an answer. */
const OBJECTS_A_POINT = 100

export interface GateOptions {
  readonly schema: GraphQLSchema
  readonly chargePoints: ChargePoints
  /** When true, everybody who is signed in may read the schema. */
  readonly development: boolean
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** The measurements of an operation, taken before its variables are known. */
export interface MeasuredOperation extends OperationCost {
  readonly kind: OperationTypeNode
  readonly shape: OperationShape
}

/** The caller of an operation, and a way to set headers of its answer. */
export interface Entrant {
  readonly principal: Principal
  /** Sets headers of the answer, where the transport has any. */
  readonly setHeaders?: SetHeaders | undefined
  /** Points that the request paid before it was parsed. */
  readonly paidPoints?: number | undefined
}

/** Every operation passes this gate before it is executed, whatever way it came. */
export class OperationGate {
  readonly #options: GateOptions
  readonly #measured = new WeakMap<OperationDefinitionNode, MeasuredOperation>()

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Measures an operation of a valid document, once. */
  measure(document: DocumentNode, operation: OperationDefinitionNode): MeasuredOperation {
    const known = this.#measured.get(operation)
    if (known) return known
    const cost = operationCost(this.#options.schema, document, operation)
    const measured = { ...cost, kind: operation.operation, shape: shapesOf(document)(operation) }
    this.#measured.set(operation, measured)
    return measured
  }

  /**
   * Lets in an operation with coerced variables, and charges its points. Returns a promise only where charging takes time.
   * @throws AppError FORBIDDEN, QUERY_TOO_COMPLEX, RATE_LIMITED
   */
  enter(measured: MeasuredOperation, entrant: Entrant, variables: Variables): void | Promise<void> {
    const { tracer = UNTRACED } = this.#options
    return tracer.part('gate', () => this.#enter(measured, entrant, variables))
  }

  #enter(measured: MeasuredOperation, entrant: Entrant, variables: Variables): void | Promise<void> {
    const { kind, shape } = measured
    if (shape.introspects && !this.#options.development) {
      requirePermission(entrant.principal, 'schema:introspect', MAY_NOT_INTROSPECT)
    }
    const cost = measured.costOf(variables)
    const answerPoints = Math.floor(cost / OBJECTS_A_POINT)
    // A mutation pays for its rows or for its answer, whichever is more: one score may ask for its applicant's whole history.
    const points =
      kind === OperationTypeNode.MUTATION ? Math.max(measured.rowsOf(variables), answerPoints) : shape.rootFields + answerPoints
    const isCostly = cost > MAX_COST
    // A refusal is not free: a prepared operation has paid nothing before this.
    const due = (isCostly ? UNREAD_POINTS : points) - (entrant.paidPoints ?? 0)
    const charging = due > 0 ? this.charge(entrant, due) : undefined
    if (!isCostly) return charging
    if (charging) return charging.then(throwTooCostly)
    throwTooCostly()
  }

  /** @throws AppError QUERY_TOO_COMPLEX */
  refuseCostly(measured: MeasuredOperation, variables: Variables): void {
    if (measured.costOf(variables) > MAX_COST) throwTooCostly()
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

function throwTooCostly(): never {
  throw tooComplex(`The answer could hold over ${MAX_COST} objects. Ask for smaller pages, or for less of each row.`)
}

function tell(quota: Quota | undefined, setHeaders: SetHeaders | undefined): void {
  if (quota) setHeaders?.(quotaHeaders(quota))
}

function refuse(error: unknown, setHeaders: SetHeaders | undefined): never {
  if (error instanceof RateLimitedError) setHeaders?.(refusalHeaders(error))
  throw error
}
