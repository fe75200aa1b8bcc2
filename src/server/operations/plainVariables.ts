import {
  GraphQLBoolean,
  GraphQLFloat,
  type GraphQLInputType,
  type GraphQLSchema,
  GraphQLString,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql'
import { ID } from '../../schema/scalars.js'
import { isJsonObject } from './jsonObject.js'
import { isStorable } from './storableTexts.js'
import { MAX_LIST_ITEMS } from './variableValues.js'

type Check = (value: unknown) => boolean
export type IsPlain = (variables: unknown) => variables is Record<string, unknown>

/**
 * Recognises variables that coercion (October 2021, section 6.4.1) would leave unchanged. graphql-js must handle the others:
 * those that are wrong, and those that need another form.
 */
export function plainVariables(schema: GraphQLSchema, { variableDefinitions = [] }: OperationDefinitionNode): IsPlain {
  const known = new Map<GraphQLInputType, Check>()
  const checks = variableDefinitions.map(({ variable, type, defaultValue }) => {
    const inputType = typeFromAST(schema, type)
    const check = defaultValue || !isInputType(inputType) ? never : checkOf(inputType, known)
    return [variable.name.value, check] as const
  })
  return (variables): variables is Record<string, unknown> =>
    isJsonObject(variables) &&
    checks.every(([name, check]) => check(Object.hasOwn(variables, name) ? variables[name] : undefined))
}

const never: Check = () => false

function checkOf(type: GraphQLInputType, known: Map<GraphQLInputType, Check>): Check {
  const found = known.get(type)
  if (found) return found
  // A type may contain itself, so the finished check is looked up only when this one runs.
  known.set(type, value => known.get(type)?.(value) ?? false)
  const check = newCheck(type, known)
  known.set(type, check)
  return check
}

function newCheck(type: GraphQLInputType, known: Map<GraphQLInputType, Check>): Check {
  if (isNonNullType(type)) {
    const check = checkOf(type.ofType, known)
    return value => value != null && check(value)
  }
  if (isListType(type)) {
    const check = checkOf(type.ofType, known)
    return value => value == null || (Array.isArray(value) && value.length <= MAX_LIST_ITEMS && value.every(check))
  }
  if (isInputObjectType(type)) return objectCheck(type, known)
  if (type === GraphQLString || type === ID) return value => value == null || (typeof value === 'string' && isStorable(value))
  if (type === GraphQLFloat) return value => value == null || (typeof value === 'number' && Number.isFinite(value))
  if (type === GraphQLBoolean) return value => value == null || typeof value === 'boolean'
  return never
}

function objectCheck(type: Extract<GraphQLInputType, { getFields: unknown }>, known: Map<GraphQLInputType, Check>): Check {
  const fields = Object.values(type.getFields())
  if (fields.some(({ defaultValue }) => defaultValue !== undefined)) return never
  const checks = new Map(fields.map(({ name, type: fieldType }) => [name, checkOf(fieldType, known)]))
  const required = fields.filter(({ type: fieldType }) => isNonNullType(fieldType)).map(({ name }) => name)
  return value => {
    if (value == null) return true
    if (!isJsonObject(value)) return false
    let keys = 0
    for (const name in value) {
      keys++
      if (!checks.get(name)?.(value[name])) return false
    }
    if (type.isOneOf) return keys === 1 && Object.values(value)[0] != null
    return required.every(name => value[name] != null)
  }
}
