import type { DocumentNode, GraphQLSchema } from 'graphql'
import { LRUCache } from 'lru-cache'
import type { MeasuredOperation } from '../operations/operationGate.js'
import { type IsPlain, plainVariables } from '../operations/plainVariables.js'
import { bytesOf, MAX_BYTES } from './documentStore.js'
import type { OperationPlan } from './operationPlan.js'

/** An operation that Apollo has parsed, validated and run before: ready to run again without another look at its text. */
export interface PreparedOperation {
  readonly plan: OperationPlan
  readonly isPlain: IsPlain
  readonly measured: MeasuredOperation
}

/** The operations that have come more than once, by the text that clients send. */
export class PreparedOperations {
  readonly #schema: GraphQLSchema
  readonly #byText = new LRUCache<string, PreparedOperation>({ maxSize: MAX_BYTES })

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  add(text: string, document: DocumentNode, plan: OperationPlan, measured: MeasuredOperation): void {
    if (this.#byText.has(text)) return
    const size = bytesOf(document, measured.shape.fields)
    this.#byText.set(text, { plan, isPlain: plainVariables(this.#schema, plan.operation), measured }, { size })
  }

  /** Finds the prepared operation of a request body; undefined where Apollo must parse it. */
  find(body: unknown): { prepared: PreparedOperation; variables: Record<string, unknown> } | undefined {
    const { query, operationName, variables = {}, extensions, documentId } = (body ?? {}) as Record<string, unknown>
    // `extensions` and `documentId` may name another document than `query`.
    const isPlain = typeof query === 'string' && extensions === undefined && documentId === undefined
    const prepared = isPlain ? this.#byText.get(query) : undefined
    if (!prepared || (operationName != null && operationName !== prepared.plan.operation.name?.value)) return undefined
    return prepared.isPlain(variables) ? { prepared, variables } : undefined
  }
}
