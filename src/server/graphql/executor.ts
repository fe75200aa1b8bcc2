import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server'
import { type DocumentNode, execute, GraphQLError, type GraphQLSchema, Kind, type OperationDefinitionNode } from 'graphql'
import { LRUCache } from 'lru-cache'
import { NO_SUCH_OPERATION } from '../operations/documentRules.js'
import type { Entrant, MeasuredOperation, OperationGate } from '../operations/operationGate.js'
import { coercedVariables } from '../operations/variableValues.js'
import { bytesOf, MAX_BYTES } from './documentStore.js'
import { type OperationPlan, planOf } from './operationPlan.js'
import type { PreparedOperations } from './preparedOperations.js'
import { type Result, runPlan } from './runPlan.js'

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway']
type Executor = NonNullable<Awaited<ReturnType<Gateway['load']>>['executor']>

// A plan writes all fragments out: a small document of nested fragments would fill the memory.
const MAX_PLANNED_FIELDS = 1_000

interface Planned {
  /** Undefined where graphql-js executes the operation. */
  readonly plan: OperationPlan | undefined
}

/**
 * Executes operations by their plans, and those that have none by graphql-js. Apollo keeps parsed documents, so the same text is the same
 * operation. An operation that comes a second time is prepared: its text alone then finds its plan.
 */
export function createExecutor(schema: GraphQLSchema, gate: OperationGate, prepared?: PreparedOperations): Executor {
  const plans = new LRUCache<OperationDefinitionNode, Planned>({ maxSize: MAX_BYTES })

  function newPlan(document: DocumentNode, operation: OperationDefinitionNode, { shape }: MeasuredOperation): Planned {
    const plan = shape.fields <= MAX_PLANNED_FIELDS ? planOf(schema, document, operation) : undefined
    plans.set(operation, { plan }, { size: bytesOf(document, plan && shape.fields) })
    return { plan }
  }

  return async ({ document, operation, operationName, request, context }) => {
    // Apollo also calls this for a document without the named operation, whatever its types say.
    if (!operation) return { errors: [new GraphQLError(NO_SUCH_OPERATION)] }
    const variables = request.variables ?? {}
    const result = coercedVariables(schema, operation, variables)
    if ('errors' in result) return result
    const measured = gate.measure(document, operation)
    await gate.enter(measured, context as Entrant, result.coerced)
    const known = plans.get(operation)
    const { plan } = known ?? newPlan(document, operation, measured)
    if (!plan) {
      return execute({ schema, document, operationName, variableValues: variables, contextValue: context }) as Promise<Result>
    }
    if (known && request.query !== undefined && isAlone(document)) prepared?.add(request.query, document, plan, measured)
    return runPlan(plan, context, result.coerced)
  }
}

/** Whether the document has one operation, so that its text alone tells which is meant. */
function isAlone({ definitions }: DocumentNode): boolean {
  return definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION).length === 1
}

/** Apollo Server accepts a custom executor only as a gateway. */
export function asGateway(schema: GraphQLSchema, gate: OperationGate, prepared?: PreparedOperations): Gateway {
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: '' })
      return () => {}
    },
    load: async () => ({ executor: createExecutor(schema, gate, prepared) }),
    stop: async () => {},
  }
}
