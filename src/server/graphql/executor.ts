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
// A caller that sends ever new documents, each twice, must not fill the memory.
const MAX_COMPILED_QUERIES = 200

/**
 * Executes operations, and compiles them from their second use on. Compiling costs about as much as some tens of plain
 * executions; a client that never sends the same text twice must not make us pay that. Apollo keeps parsed documents, so the same
 * text is the same document.
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
    // Apollo also calls this for a document without the named operation, whatever its types say.
    if (!operation) return { errors: [new GraphQLError(NO_SUCH_OPERATION)] }
    const definitions = operation.variableDefinitions ?? []
    const variables = request.variables ?? {}
    // The compiler's own coercion is never used: it knows neither @oneOf nor the default of a required variable.
    const result = coercedVariables(schema, operation, variables)
    if ('errors' in result) return result
    const { coerced } = result
    const measured = gate.measure(document, operation)
    await gate.enter(measured, context as Entrant, coerced)
    // A default allows a nullable variable where null is not allowed; compiled code would hand an explicit null to the resolver.
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
  // With several mutations, compiled code still runs those after a failed one.
  const { selections } = operation.selectionSet
  const isSeveral = selections.length > 1 || selections[0]?.kind !== Kind.FIELD
  if (operation.operation === OperationTypeNode.MUTATION && isSeveral) return false
  return operations.length === 1 && writtenOutFields <= MAX_COMPILED_FIELDS
}

/**
 * Whether a variable fills an input field that has a default. Compiled code writes null there when the variable has no value, and
 * lets an explicit null pass where the field is required. It treats arguments with a default as graphql-js does, required or not.
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

/** Turns the compiler's errors into GraphQLErrors: their own class lacks fields that Apollo needs. */
export function withPlainErrors({ errors, ...result }: ExecutionResult): Result {
  if (!errors) return result as Result
  const plain = errors.map(({ message, path, originalError }) => new GraphQLError(message, { path, originalError }))
  return { ...(result as Result), errors: plain }
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
