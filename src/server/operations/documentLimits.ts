import {
  type ASTVisitor,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type ValidationContext,
} from 'graphql'
import { AppError } from '../../errors.js'
import { type OperationShape, shapesOf } from './operationShape.js'

const MAX_TEXT_BYTES = 64 * 1024
const MAX_DEPTH = 8
const MAX_ALIASES = 15
/** An alias is repeated in the answer for every object: one of 60 KB would make a page of 100 rows one of 6 MB. */
const MAX_ALIAS_LENGTH = 100
const MAX_MUTATION_FIELDS = 5

/** @throws AppError QUERY_TOO_COMPLEX before anything is parsed */
export function refuseLongText(text: string): void {
  if (text.length > MAX_TEXT_BYTES || Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw tooComplex(`A document has at most ${MAX_TEXT_BYTES / 1024} KiB. Send values as variables.`)
  }
}

/** Refuses operations that are too large as they stand, and ends the validation of their document there, before it gets expensive. */
export function documentLimits(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      const shapeOf = shapesOf(document)
      for (const definition of document.definitions) {
        if (definition.kind !== Kind.OPERATION_DEFINITION) continue
        const problem = problemOf(shapeOf(definition), definition)
        if (problem === undefined) continue
        context.reportError(new GraphQLError(problem, { nodes: definition, originalError: tooComplex(problem) }))
        // Takes the document out of the visit, for all rules.
        return null
      }
      return undefined
    },
  }
}

function problemOf(shape: OperationShape, { operation }: OperationDefinitionNode): string | undefined {
  if (shape.depth > MAX_DEPTH) return `Fields may be nested ${MAX_DEPTH} deep. Ask for the rest in another operation.`
  if (shape.aliases > MAX_ALIASES) return `An operation has at most ${MAX_ALIASES} aliases, with its fragments written out.`
  if (shape.longestAlias > MAX_ALIAS_LENGTH) return `An alias has at most ${MAX_ALIAS_LENGTH} characters.`
  if (operation === OperationTypeNode.MUTATION && shape.rootFields > MAX_MUTATION_FIELDS) {
    return `A mutation has at most ${MAX_MUTATION_FIELDS} fields. Use the mutations that take a list.`
  }
  return undefined
}

export function tooComplex(message: string): AppError {
  return new AppError('QUERY_TOO_COMPLEX', message)
}
