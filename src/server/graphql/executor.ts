import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server'
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit'
import { NO_SUCH_OPERATION } from '../operations/documentRules.js'
import type { Entrant, MeasuredOperation, OperationGate } from '../operations/operationGate.js'
import { coercedVariables } from '../operations/variableValues.js'
import type { PreparedOperations } from './preparedOperations.js'

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway']
type Result = ExecutionResult<Record<string, unknown>, Record<string, unknown>>
type Executor = NonNullable<Awaited<ReturnType<Gateway['load']>>['executor']>

// Compiling writes all fragments out and takes about 40 us and 4 KiB a field: a small document of nested fragments would take
// seconds and gigabytes.
const MAX_COMPILED_FIELDS = 200
// Whoever sends ever new documents, each twice, must not fill the memory.
const MAX_COMPILED_QUERIES = 200

/**
 * Executes operations, compiled from their second use on: compiling costs about as much as some tens of plain executions, which a
 * client that never sends the same text twice must not make us pay. Apollo keeps parsed documents, so the same text is the same
 * document.
 */
export function createExecutor(schema: GraphQLSchema, gate: OperationGate, prepared?: PreparedOperations): Executor {
  const seen = new WeakSet<DocumentNode>()
  const compiled = new Map<DocumentNode, CompiledQuery | undefined>()

  function compiledQuery(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    { shape }: MeasuredOperation,
  ): CompiledQuery | undefined {
    if (!seen.has(document)) {
      seen.add(document)
      return undefined
    }
    if (compiled.has(document)) return compiled.get(document)
    const isCompilable = isWorthCompiling(document, operation, shape.fields) && !replacesDefault(schema, document)
    const query = isCompilable ? compileQuery(schema, document) : undefined
    const oldest = compiled.keys().next()
    if (compiled.size >= MAX_COMPILED_QUERIES && !oldest.done) compiled.delete(oldest.value)
    compiled.set(document, query && isCompiledQuery(query) ? query : undefined)
    return compiled.get(document)
  }

  return async ({ document, operation, operationName, request, context }) => {
    // Apollo asks for a document without such an operation too, whatever its types say.
    if (!operation) return { errors: [new GraphQLError(NO_SUCH_OPERATION)] }
    const definitions = operation.variableDefinitions ?? []
    const variables = request.variables ?? {}
    // Never by the compiler, which has a coercion of its own, which knows neither @oneOf nor a default of a required variable.
    const result = coercedVariables(schema, operation, variables)
    if ('errors' in result) return result
    const { coerced } = result
    const measured = gate.measure(document, operation)
    await gate.enter(measured, context as Entrant, coerced)
    // A default lets a nullable variable stand where null must not: the compiler would hand an explicit null to the resolver.
    const hasNullForDefault = definitions.some(
      ({ defaultValue, variable }) => defaultValue && coerced[variable.name.value] === null,
    )
    const query = hasNullForDefault ? undefined : compiledQuery(document, operation, measured)
    if (query && request.query !== undefined) prepared?.add(request.query, operation, query, measured)
    if (query) return withPlainErrors(await query.query(undefined, context, coerced))
    return execute({ schema, document, operationName, variableValues: variables, contextValue: context }) as Promise<Result>
  }
}

function isWorthCompiling(document: DocumentNode, operation: OperationDefinitionNode, writtenOutFields: number): boolean {
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
  // Of several mutations, compiled code runs those behind one that failed, too.
  const { selections } = operation.selectionSet
  const isSeveral = selections.length > 1 || selections[0]?.kind !== Kind.FIELD
  if (operation.operation === OperationTypeNode.MUTATION && isSeveral) return false
  return operations.length === 1 && writtenOutFields <= MAX_COMPILED_FIELDS
}

/**
 * Whether a variable stands in an input field that has a default. Compiled code writes null there when the variable has no value, and
 * lets an explicit null pass where the field is required. Arguments with a default, required or not, it takes as graphql-js does.
 */
function replacesDefault(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema)
  let found = false
  const visitor = visitWithTypeInfo(types, {
    ObjectField({ value }) {
      found ||= value.kind === Kind.VARIABLE && types.getDefaultValue() !== undefined
    },
  })
  visit(document, visitor)
  return found
}

/** The compiler's errors are of a class of its own, without what Apollo needs of a GraphQLError. */
export function withPlainErrors({ errors, ...result }: ExecutionResult): Result {
  if (!errors) return result as Result
  const plain = errors.map(({ message, path, originalError }) => new GraphQLError(message, { path, originalError }))
  return { ...(result as Result), errors: plain }
}

/** Apollo Server takes an executor of one's own only as a gateway. */
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
