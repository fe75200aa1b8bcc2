import type { GraphQLFormattedError, OperationDefinitionNode } from 'graphql'
import type { ErrorCode } from '../../errors.js'
import { statusOf } from '../formatError.js'

type Data = Readonly<Record<string, unknown>> | null | undefined
type Errors = readonly GraphQLFormattedError[] | undefined

const WRONG_REQUEST: ReadonlySet<string> = new Set<ErrorCode>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
])

/** The root field of an operation, for logs and metrics: `several` where there are more, `none` without an operation. */
export function rootField(operation: OperationDefinitionNode | undefined): string {
  const [first, ...others] = operation?.selectionSet.selections ?? []
  if (!first) return 'none'
  return first.kind === 'Field' && others.length === 0 ? first.name.value : 'several'
}

/** `OK`, or the code of the first error. */
export function responseCode(errors: Errors): string {
  return errors?.[0] ? String(errors[0].extensions?.code) : 'OK'
}

/** The status of an answer without any data: that of its first error. Undefined for one that stays 200 (docs/adr/0004). */
export function failureStatus(data: Data, errors: Errors): number | undefined {
  const isEmpty = !data || Object.values(data).every(value => value === null)
  return errors?.length && isEmpty ? statusOf(errors[0]?.extensions?.code) : undefined
}

/** Whether nothing was executed because the document or its variables are wrong. */
export function isRequestError(data: Data, errors: Errors): boolean {
  return data === undefined && WRONG_REQUEST.has(responseCode(errors))
}
