import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import { AppError, ERROR_CODES, type ErrorCode } from '../errors.js'

/** Told of each failure that nobody expected, with the id that the caller is given. */
export type ReportUnexpected = (errorId: string, error: unknown) => void

// graphql-js repeats the offending value in these sentences.
const ECHOES_VALUE = / cannot represent |^Expected value of type |^Value "|got invalid value /
const VARIABLE = /^Variable "(\$\w+)" got invalid value /
const VARIABLE_PATH = / at "([\w.[\]]+)"; /
const UNDEFINED_FIELD = /Field "(\w+)" is not defined by type "(\w+)"/
const ONE_OF = /Exactly one key must be specified for OneOf type|must be non-null/
const SUGGESTION = / Did you mean .*$/s

/** The error as its caller sees it: a code of the table, a sentence, and no value, stack or suggestion. */
export function publicError(formatted: GraphQLFormattedError, error: unknown, report: ReportUnexpected): GraphQLFormattedError {
  const { locations, path } = formatted
  // A failure of a field is told by its path alone: only one of the two executors knows its place in the text.
  const where = path ? { path } : locations ? { locations } : {}
  const cause = error instanceof GraphQLError && error.originalError ? error.originalError : error
  if (cause instanceof AppError) return { message: cause.message, ...where, extensions: extensionsOf(cause) }
  const code = knownCode(formatted)
  if (code === 'GRAPHQL_PARSE_FAILED') {
    const at = locations?.[0] ? ` near line ${locations[0].line}, column ${locations[0].column}` : ''
    return { message: `The document is not valid GraphQL${at}, or has too many tokens.`, ...where, extensions: { code } }
  }
  if (code !== undefined) return { message: withoutValues(formatted.message), ...where, extensions: { code } }
  const errorId = randomUUID()
  report(errorId, cause)
  return { message: 'Something went wrong on our side.', ...where, extensions: { code: 'INTERNAL_SERVER_ERROR', errorId } }
}

/** A body for a response that holds nothing but this error. */
export function errorBody(error: AppError): { errors: GraphQLFormattedError[] } {
  return { errors: [{ message: error.message, extensions: extensionsOf(error) }] }
}

/** The status of a response whose first error has this code. */
export function statusOf(code: unknown): number {
  return typeof code === 'string' && code in ERROR_CODES ? ERROR_CODES[code as ErrorCode].status : 500
}

function extensionsOf({ code, problems }: AppError): Record<string, unknown> {
  return { code, ...(ERROR_CODES[code].retryable && { retryable: true }), ...(problems.length > 0 && { problems }) }
}

function knownCode({ extensions }: GraphQLFormattedError): ErrorCode | undefined {
  const code = extensions?.code
  // Apollo's code for a document whose operation name fits none of its operations.
  if (code === 'OPERATION_RESOLUTION_FAILURE') return 'BAD_REQUEST'
  return typeof code === 'string' && code !== 'INTERNAL_SERVER_ERROR' && code in ERROR_CODES ? (code as ErrorCode) : undefined
}

function withoutValues(message: string): string {
  if (!ECHOES_VALUE.test(message)) return message.replace(SUGGESTION, '')
  const variable = VARIABLE.exec(message)?.[1]
  const path = VARIABLE_PATH.exec(message)?.[1]
  const subject = variable === undefined ? 'A value in the document' : `Variable "${variable}"`
  const place = path === undefined ? '' : ` at "${path}"`
  const [, field, type] = UNDEFINED_FIELD.exec(message) ?? []
  if (field !== undefined) return `${subject} has a field "${field}"${place} that type "${type}" does not define.`
  if (ONE_OF.test(message)) return `${subject} must have exactly one key${place}, and it must not be null.`
  return `${subject} is not of the declared type${place}.`
}
