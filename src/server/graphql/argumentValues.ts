import { type FieldNode, type GraphQLField, getArgumentValues, isRequiredArgument, Kind } from 'graphql'

type Values = Record<string, unknown>

/** Reads the arguments of a field from coerced variables. */
export type ArgumentsOf = (variables: Values) => Values

/**
 * Plans how the arguments of a field are read (GraphQL, October 2021, section 6.4.1). Where each is a variable that has a value,
 * as front-ends write it, nothing is left to coerce; graphql-js reads all others.
 */
export function argumentsOf(definition: GraphQLField<unknown, unknown>, node: FieldNode): ArgumentsOf {
  const coerced: ArgumentsOf = variables => getArgumentValues(definition, node, variables)
  const variableOf = new Map<string, string>()
  for (const argument of definition.args) {
    const given = node.arguments?.find(({ name }) => name.value === argument.name)
    if (given?.value.kind === Kind.VARIABLE) variableOf.set(argument.name, given.value.name.value)
    else if (given || isRequiredArgument(argument) || argument.defaultValue !== undefined) return coerced
  }
  return variables => {
    const values: Values = {}
    for (const [argument, variable] of variableOf) {
      const value = Object.hasOwn(variables, variable) ? variables[variable] : undefined
      if (value === undefined || value === null) return coerced(variables)
      values[argument] = value
    }
    return values
  }
}
