import {
  type ASTVisitor,
  GraphQLError,
  type GraphQLInputType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type ValidationContext,
} from 'graphql'
import { AppError, badInput, inputProblem } from '../../errors.js'
import { isRowInput } from '../../schema/rowInput.js'

const MESSAGE = 'A text holds a character that cannot be stored: U+0000, or half of a surrogate pair. Remove it.'

/** Whether PostgreSQL can store the text, and any client can read it. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/**
 * Looks at the texts of a coerced variable, except those of rows, whose mistakes are reported row by row.
 * @throws AppError BAD_USER_INPUT with the path within the variable
 */
export function refuseUnstorable(value: unknown, type: GraphQLInputType, path: readonly string[] = []): void {
  if (value === null || value === undefined) return
  if (typeof value === 'string') {
    if (!isStorable(value)) throw badInput(inputProblem(MESSAGE, ...path))
  } else if (isNonNullType(type)) {
    refuseUnstorable(value, type.ofType, path)
  } else if (isListType(type)) {
    for (const [i, item] of (value as unknown[]).entries()) refuseUnstorable(item, type.ofType, [...path, String(i)])
  } else if (isInputObjectType(type) && !isRowInput(type)) {
    for (const field of Object.values(type.getFields())) {
      refuseUnstorable((value as Record<string, unknown>)[field.name], field.type, [...path, field.name])
    }
  }
}

/** Refuses such texts in a document. */
export function storableTexts(context: ValidationContext): ASTVisitor {
  return {
    StringValue(node) {
      if (isStorable(node.value)) return
      context.reportError(new GraphQLError(MESSAGE, { nodes: node, originalError: new AppError('BAD_USER_INPUT', MESSAGE) }))
    },
  }
}
