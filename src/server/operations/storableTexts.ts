import { type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql'
import { AppError } from '../../errors.js'

const MESSAGE = 'A text holds a character that cannot be stored: U+0000, or half of a surrogate pair. Remove it.'

/** Whether PostgreSQL can store the text, and any client can read it. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** The refusal of a text that cannot be stored. `path` leads to it. */
export function unstorable(path: readonly string[]): AppError {
  return new AppError('BAD_USER_INPUT', MESSAGE, { problems: [{ code: 'BAD_USER_INPUT', message: MESSAGE, path }] })
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
