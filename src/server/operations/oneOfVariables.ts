import { type ASTVisitor, GraphQLError, getNamedType, isInputObjectType, Kind, type ValidationContext } from 'graphql'

/**
 * A variable that fills a key of a @oneOf input must be non-null (GraphQL, September 2025, section 5.8.5). graphql 16 checks that
 * only where the @oneOf type is nullable, and ours never is. Unchecked, an absent variable would leave no key at all.
 */
export function oneOfVariables(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition: {
      leave(operation) {
        const definitions = new Map(
          operation.variableDefinitions?.map(definition => [definition.variable.name.value, definition]),
        )
        for (const { node, parentType } of context.getRecursiveVariableUsages(operation)) {
          const type = getNamedType(parentType)
          const definition = definitions.get(node.name.value)
          if (!isInputObjectType(type) || !type.isOneOf || definition?.type.kind === Kind.NON_NULL_TYPE) continue
          const message = `Variable "$${node.name.value}" must be non-null to be a key of OneOf Input Object "${type.name}".`
          context.reportError(new GraphQLError(message, { nodes: definition ? [definition, node] : node }))
        }
      },
    },
  }
}
