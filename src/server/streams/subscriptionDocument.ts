import {
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  GraphQLIncludeDirective,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  specifiedRules,
  validate,
} from 'graphql'
import type { ErrorCode } from '../../errors.js'
import { refuseLongText } from '../operations/documentLimits.js'
import { ADDED_RULES, MAX_TOKENS, NO_SUCH_OPERATION, VALIDATION_OPTIONS } from '../operations/documentRules.js'
import { fragmentsOf } from '../operations/fragments.js'
import type { OperationGate } from '../operations/operationGate.js'
import { coercedVariables } from '../operations/variableValues.js'

type Variables = Readonly<Record<string, unknown>>

export interface SubscribeRequest {
  readonly query: string
  readonly operationName?: string | null | undefined
  readonly variables?: Variables | null | undefined
  readonly extensions?: unknown
  readonly documentId?: unknown
}

export type PreparedSubscription = {
  /** Known as soon as the document is valid. */
  readonly operation?: OperationDefinitionNode
} & ({ readonly document: DocumentNode } | { readonly errors: readonly GraphQLError[] })

/**
 * Checks the document of a subscription, as Apollo does for HTTP. Refuses other operations, even valid ones.
 * @throws AppError QUERY_TOO_COMPLEX
 */
export function prepareSubscription(schema: GraphQLSchema, gate: OperationGate, request: SubscribeRequest): PreparedSubscription {
  refuseLongText(request.query)
  const document = unlessThrown(() => parse(request.query, { maxTokens: MAX_TOKENS }))
  if (document instanceof GraphQLError) return { errors: [coded(document, 'GRAPHQL_PARSE_FAILED')] }
  const invalid = unlessThrown(() => validate(schema, document, [...specifiedRules, ...ADDED_RULES], VALIDATION_OPTIONS))
  // The rule that a subscription has one root field knows no variables yet, and throws where it would need one.
  if (invalid instanceof GraphQLError) return { errors: [failure(DEPENDS_ON_VARIABLE, 'GRAPHQL_VALIDATION_FAILED')] }
  if (invalid.length > 0) return { errors: invalid.map(error => coded(error, 'GRAPHQL_VALIDATION_FAILED')) }
  const operation = getOperationAST(document, request.operationName)
  if (!operation) return { errors: [failure(NO_SUCH_OPERATION, 'BAD_REQUEST')] }
  if (operation.operation !== 'subscription') return { operation, errors: [failure(SUBSCRIPTIONS_ONLY, 'BAD_REQUEST')] }
  const result = coercedVariables(schema, operation, request.variables ?? {})
  if ('errors' in result) return { operation, errors: result.errors.map(error => coded(error, 'BAD_USER_INPUT')) }
  const { coerced } = result
  if (!selectsField(document, operation.selectionSet, coerced)) {
    return { operation, errors: [failure(SELECTS_NOTHING, 'BAD_USER_INPUT')] }
  }
  gate.refuseCostly(gate.measure(document, operation), coerced)
  return { operation, document }
}

const SUBSCRIPTIONS_ONLY = 'Only subscriptions are served here: send queries and mutations by HTTP POST to /graphql.'
const SELECTS_NOTHING = 'A subscription must select a field: @skip or @include leaves none.'
const DEPENDS_ON_VARIABLE = 'Do not use a variable in the @skip or @include of the root field of a subscription.'

/** Whether @skip and @include leave at least one field; graphql-js fails on a subscription without one. */
function selectsField(document: DocumentNode, root: SelectionSetNode, variables: Variables): boolean {
  const fragments = fragmentsOf(document)
  const isIncluded = (node: { readonly directives?: readonly DirectiveNode[] }) =>
    getDirectiveValues(GraphQLSkipDirective, node, variables)?.if !== true &&
    getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if !== false
  const selects = ({ selections }: SelectionSetNode): boolean =>
    selections.some(selection => {
      if (!isIncluded(selection)) return false
      if (selection.kind === Kind.FIELD) return true
      if (selection.kind === Kind.INLINE_FRAGMENT) return selects(selection.selectionSet)
      const fragment = fragments.get(selection.name.value)
      // Each fragment is visited once: fragments that spread each other twice would double the work at every level.
      fragments.delete(selection.name.value)
      return fragment !== undefined && selects(fragment.selectionSet)
    })
  return selects(root)
}

function unlessThrown<T>(run: () => T): T | GraphQLError {
  try {
    return run()
  } catch (error) {
    if (error instanceof GraphQLError) return error
    throw error
  }
}

function coded(error: GraphQLError, code: ErrorCode): GraphQLError {
  Object.assign(error.extensions, { code })
  return error
}

export function failure(message: string, code: ErrorCode): GraphQLError {
  return new GraphQLError(message, { extensions: { code } })
}
