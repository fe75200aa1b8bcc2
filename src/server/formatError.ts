import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import { AppError, ERROR_CODES, type ErrorCode } from '../errors.js'

/** Called with each unexpected failure, and with the error id that its caller receives. */
export type ReportUnexpected = (errorId: string, error: unknown) => void

// graphql-js repeats the offending value in these sentences.
const ECHOES_VALUE = / cannot represent |^Expected value of type |^Value "|(got|has) invalid value /
const VARIABLE = /^Variable "\$(\w+)" got invalid value (?:.* at "(\1[.[][\w.[\]]+)"; )?/s
// Matched only at the very end: the value comes before it, and a value may hold any text.
const UNDEFINED_FIELD = /; Field "(\w+)" is not defined by type "(\w+)"\.(?: Did you mean [^\n]*)?$/
// graphql-js gives these errors no code, and Apollo recognises only some of these sentences.
const WRONG_INPUT =
  /^(Variable "\$\w+"|Argument "\w+") (got|has|of) (invalid value|required type|non-null type) |^Too many errors processing variables/
const ONE_OF = /Exactly one key must be specified for OneOf type|must be non-null/
const SUGGESTION = / Did you mean .*$/s

// Names in a document may be as long as the document: an answer must not repeat them for each mistake.
const MAX_MESSAGE_LENGTH = 300
const MAX_LOCATIONS = 10
const RETRY_SECONDS = '1'

/** The error as its caller sees it: a code of the table, a sentence, and no value, stack or suggestion. */
export function publicError(formatted: GraphQLFormattedError, error: unknown, report: ReportUnexpected): GraphQLFormattedError {
  const { path } = formatted
  const locations = formatted.locations?.slice(0, MAX_LOCATIONS)
  // The path alone locates a failed field: only one of the two executors knows the field's position in the text.
  const where = path ? { path } : locations ? { locations } : {}
  const cause = error instanceof GraphQLError && error.originalError ? error.originalError : error
  if (cause instanceof AppError) return { message: cause.message, ...where, extensions: extensionsOf(cause) }
  const code = knownCode(formatted) ?? (isWrongInput(error) ? 'BAD_USER_INPUT' : undefined)
  if (code === 'GRAPHQL_PARSE_FAILED') {
    const at = locations?.[0] ? ` near line ${locations[0].line}, column ${locations[0].column}` : ''
    return { message: `The document is not valid GraphQL${at}, or has too many tokens.`, ...where, extensions: { code } }
  }
  if (code !== undefined) return { message: withoutValues(formatted.message), ...where, extensions: { code } }
  const errorId = randomUUID()
  report(errorId, cause)
  return { message: 'Something went wrong on our side.', ...where, extensions: { code: 'INTERNAL_SERVER_ERROR', errorId } }
}

export function publicErrors(errors: readonly GraphQLError[], report: ReportUnexpected): GraphQLFormattedError[] {
  return errors.map(error => publicError(error.toJSON(), error, report))
}

export const JSON_TYPE = 'application/json; charset=utf-8'

/** A body for a response that holds nothing but this error. */
export function errorBody(error: AppError): { errors: [GraphQLFormattedError] } {
  return { errors: [{ message: error.message, extensions: extensionsOf(error) }] }
}

/**
 * The headers of a response that holds errors alone, by the first of them: the pause before what is over in a moment, such as a restart
 * of the database. A reached limit names its own.
 */
export function retryHeaders({ extensions }: GraphQLFormattedError): Readonly<Record<string, string>> {
  return extensions?.retryable === true && extensions.code !== 'RATE_LIMITED' ? { 'retry-after': RETRY_SECONDS } : {}
}

/** The status of a response whose first error has this code. */
export function statusOf(code: unknown): number {
  return isErrorCode(code) ? ERROR_CODES[code].status : 500
}

function extensionsOf({ code, problems }: AppError): Record<string, unknown> {
  return { code, ...(ERROR_CODES[code].retryable && { retryable: true }), ...(problems.length > 0 && { problems }) }
}

function knownCode({ extensions }: GraphQLFormattedError): ErrorCode | undefined {
  const code = extensions?.code
  // Apollo's codes for an operation name that the document lacks, and for a digest that is sent instead of a document.
  if (code === 'OPERATION_RESOLUTION_FAILURE' || code === 'PERSISTED_QUERY_NOT_SUPPORTED') return 'BAD_REQUEST'
  return isErrorCode(code) && code !== 'INTERNAL_SERVER_ERROR' ? code : undefined
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
}

/** Whether graphql-js itself refused the input; errors of resolvers are of other classes. */
function isWrongInput(error: unknown): boolean {
  if (!(error instanceof GraphQLError) || !WRONG_INPUT.test(error.message)) return false
  return error.originalError === undefined || error.originalError instanceof GraphQLError
}

function withoutValues(message: string): string {
  if (!ECHOES_VALUE.test(message)) return shortened(message.replace(SUGGESTION, ''))
  const [, variable, path] = VARIABLE.exec(message) ?? []
  const subject = variable === undefined ? 'A value in the document' : `Variable "$${variable}"`
  const place = path === undefined ? '' : ` at "${path}"`
  const [, field, type] = UNDEFINED_FIELD.exec(message) ?? []
  if (field !== undefined) return shortened(`${subject} has a field "${field}"${place} that type "${type}" does not define.`)
  if (ONE_OF.test(message)) return shortened(`${subject} must have exactly one key${place}, and it must not be null.`)
  return shortened(`${subject} is not of the declared type${place}.`)
}

function shortened(message: string): string {
  return message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH - 1)}…` : message
}
