import {
  coerceInputValue,
  GraphQLError,
  type GraphQLSchema,
  isInputType,
  isNonNullType,
  type OperationDefinitionNode,
  print,
  typeFromAST,
  type VariableDefinitionNode,
  valueFromAST,
} from 'graphql'
import { tooComplex } from './documentLimits.js'
import { refuseUnstorable } from './storableTexts.js'

type Variables = Readonly<Record<string, unknown>>
type Coerced = { readonly coerced: Record<string, unknown> } | { readonly errors: readonly GraphQLError[] }

/** With a mistake in each row, a request of 1 MiB would get an answer with hundreds of errors. */
const MAX_ERRORS = 50
/** Twice the length of our longest list. Items are coerced before a resolver counts them, so they need this bound. */
export const MAX_LIST_ITEMS = 2_000

/**
 * Coerces variables (October 2021, section 6.4.1). It does not use graphql-js's getVariableValues, which writes the whole wrong
 * value into each message: 50,000 unknown keys in one object blocked the event loop for three seconds.
 * @throws AppError QUERY_TOO_COMPLEX for lists that are too long for any operation, BAD_USER_INPUT for a text that cannot be stored
 */
export function coercedVariables(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
  given: Variables,
): Coerced {
  refuseLongLists(variableDefinitions, given)
  const errors: GraphQLError[] = []
  const report = (message: string, definition: VariableDefinitionNode, cause?: GraphQLError) => {
    if (errors.length >= MAX_ERRORS) throw new GraphQLError('Too many errors processing variables, error limit reached.')
    errors.push(
      new GraphQLError(message, { nodes: definition, ...(cause && { originalError: cause, extensions: cause.extensions }) }),
    )
  }
  const coerced: Record<string, unknown> = {}
  try {
    for (const definition of variableDefinitions) coerceOne(schema, definition, given, coerced, report)
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    errors.push(error)
  }
  return errors.length > 0 ? { errors } : { coerced }
}

type Report = (message: string, definition: VariableDefinitionNode, cause?: GraphQLError) => void

function coerceOne(
  schema: GraphQLSchema,
  definition: VariableDefinitionNode,
  given: Variables,
  coerced: Record<string, unknown>,
  report: Report,
): void {
  const name = definition.variable.name.value
  const type = typeFromAST(schema, definition.type)
  if (!isInputType(type)) throw new Error('A variable of a valid document must have an input type.')
  const set = (value: unknown) =>
    Object.defineProperty(coerced, name, { value, enumerable: true, configurable: true, writable: true })
  if (!Object.hasOwn(given, name)) {
    if (definition.defaultValue) set(valueFromAST(definition.defaultValue, type))
    else if (isNonNullType(type))
      report(`Variable "$${name}" of required type "${print(definition.type)}" was not provided.`, definition)
    return
  }
  const value = given[name]
  if (value === null && isNonNullType(type)) {
    report(`Variable "$${name}" of non-null type "${print(definition.type)}" must not be null.`, definition)
    return
  }
  const refuse = (path: readonly (string | number)[], _value: unknown, error: GraphQLError) => {
    const keys = path.map(key => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
    const place = keys && ` at "${name}${keys}"`
    // A scalar of ours says what to do. The sentences of graphql-js are shown without the value.
    const isOurs = error.extensions.code === 'BAD_USER_INPUT'
    const beginning = isOurs ? `Variable "$${name}"${place}:` : `Variable "$${name}" got invalid value …${place};`
    report(`${beginning} ${error.message}`, definition, error)
  }
  const result: unknown = coerceInputValue(value, type, refuse, true)
  refuseUnstorable(result, type)
  set(result)
}

/** Without recursion: JSON can be nested 100,000 levels deep. */
function refuseLongLists(definitions: readonly VariableDefinitionNode[], given: Variables): void {
  let items = 0
  const open: unknown[] = definitions.map(({ variable }) =>
    Object.hasOwn(given, variable.name.value) ? given[variable.name.value] : null,
  )
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    if (Array.isArray(value)) items += value.length
    if (items > MAX_LIST_ITEMS)
      throw tooComplex(`Lists in variables may have at most ${MAX_LIST_ITEMS} items. Send the others in another call.`)
    for (const entry of Object.values(value)) if (typeof entry === 'object') open.push(entry)
  }
}
