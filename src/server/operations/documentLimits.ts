import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type ValidationContext,
  visit,
} from 'graphql'
import { AppError } from '../../errors.js'
import { type OperationShape, shapesOf } from './operationShape.js'

const MAX_TEXT_BYTES = 64 * 1024
const MAX_DEPTH = 8
const MAX_ALIASES = 15
/** An alias is repeated for every object of the answer: one of 60 KB would make a page of 100 rows 6 MB large. */
const MAX_ALIAS_LENGTH = 100
const MAX_MUTATION_FIELDS = 5
/** Every field may have @skip and @include. Each one more would be an error of its own. */
const MAX_DIRECTIVES = 5
const TOO_MANY_DIRECTIVES = `There may be at most ${MAX_DIRECTIVES} directives at one place. Leave the others out.`

/** @throws AppError QUERY_TOO_COMPLEX before anything is parsed */
export function refuseLongText(text: string): void {
  if (text.length > MAX_TEXT_BYTES || Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw tooComplex(`A document may have at most ${MAX_TEXT_BYTES / 1024} KiB. Send values as variables.`)
  }
}

/** Refuses operations whose text asks for too much, and stops validating their document before that gets expensive. */
export function documentLimits(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      if (mostDirectives(document) > MAX_DIRECTIVES) {
        context.reportError(
          new GraphQLError(TOO_MANY_DIRECTIVES, { nodes: document, originalError: tooComplex(TOO_MANY_DIRECTIVES) }),
        )
        return null
      }
      const shapeOf = shapesOf(document)
      for (const definition of document.definitions) {
        if (definition.kind !== Kind.OPERATION_DEFINITION) continue
        const problem = problemOf(shapeOf(definition), definition)
        if (problem === undefined) continue
        context.reportError(new GraphQLError(problem, { nodes: definition, originalError: tooComplex(problem) }))
        // Ends the visit of the document, for all rules.
        return null
      }
      return undefined
    },
  }
}

/** The most directives that stand at one place of the document. */
function mostDirectives(document: DocumentNode): number {
  let most = 0
  visit(document, {
    enter(node) {
      if ('directives' in node) most = Math.max(most, node.directives?.length ?? 0)
    },
  })
  return most
}

function problemOf(shape: OperationShape, { operation }: OperationDefinitionNode): string | undefined {
  if (shape.depth > MAX_DEPTH) return `Fields may be nested ${MAX_DEPTH} deep. Ask for the rest in another operation.`
  if (shape.aliases > MAX_ALIASES)
    return `An operation may have at most ${MAX_ALIASES} aliases. Those of a fragment count each time it is used.`
  if (shape.longestAlias > MAX_ALIAS_LENGTH) return `An alias may have at most ${MAX_ALIAS_LENGTH} characters.`
  if (operation === OperationTypeNode.MUTATION && shape.rootFields > MAX_MUTATION_FIELDS) {
    return `A mutation may have at most ${MAX_MUTATION_FIELDS} fields. Use the mutations that take a list.`
  }
  return undefined
}

export function tooComplex(message: string): AppError {
  return new AppError('QUERY_TOO_COMPLEX', message)
}
