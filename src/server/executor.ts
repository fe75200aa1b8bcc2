import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server'
import { type DocumentNode, type ExecutionResult, execute, GraphQLError, type GraphQLSchema, getVariableValues } from 'graphql'
import { type CompiledQuery, compileQuery, isCompiledQuery } from 'graphql-jit'

type Gateway = ApolloServerOptionsWithGateway<BaseContext>['gateway']
type Result = ExecutionResult<Record<string, unknown>, Record<string, unknown>>
type Executor = NonNullable<Awaited<ReturnType<Gateway['load']>>['executor']>

/**
 * Executes operations, compiled from their second use on: compiling costs about as much as some tens of plain executions, which a
 * client that never sends the same text twice must not make us pay. Apollo keeps parsed documents, so the same text is the same
 * document.
 */
export function createExecutor(schema: GraphQLSchema): Executor {
  const seen = new WeakSet<DocumentNode>()
  const compiled = new WeakMap<DocumentNode, Map<string | null, CompiledQuery>>()

  function compiledQuery(document: DocumentNode, operationName: string | null): CompiledQuery | undefined {
    if (!seen.has(document)) {
      seen.add(document)
      return undefined
    }
    const ofDocument = compiled.get(document) ?? new Map<string | null, CompiledQuery>()
    compiled.set(document, ofDocument)
    const known = ofDocument.get(operationName)
    if (known) return known
    const query = compileQuery(schema, document, operationName ?? undefined)
    if (!isCompiledQuery(query)) return undefined
    ofDocument.set(operationName, query)
    return query
  }

  return async ({ document, operation, operationName, request, context }) => {
    const variables = request.variables ?? {}
    // Always by graphql-js: the compiler has a coercion of its own, which does not know @oneOf.
    const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variables)
    if (coerced.errors) return { errors: coerced.errors }
    const query = compiledQuery(document, operationName)
    if (query) return withPlainErrors(await query.query(undefined, context, variables))
    return execute({ schema, document, operationName, variableValues: variables, contextValue: context }) as Promise<Result>
  }
}

/** The compiler's errors are of a class of its own, without what Apollo needs of a GraphQLError. */
function withPlainErrors({ errors, ...result }: ExecutionResult): Result {
  if (!errors) return result as Result
  const plain = errors.map(({ message, path, originalError }) => new GraphQLError(message, { path, originalError }))
  return { ...(result as Result), errors: plain }
}

/** Apollo Server takes an executor of one's own only as a gateway. */
export function asGateway(schema: GraphQLSchema): Gateway {
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: '' })
      return () => {}
    },
    load: async () => ({ executor: createExecutor(schema) }),
    stop: async () => {},
  }
}
