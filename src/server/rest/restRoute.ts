import { z } from 'zod'
import { AppError, type ErrorCode, inputProblem } from '../../errors.js'
import type { RestPath } from '../problem.js'
import type { ProblemCode } from './problemCodes.js'

/** What a request asks, after its check. */
export interface Asked {
  /** The parameter of the path. */
  readonly key: string
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  readonly idempotencyKey: string | undefined
}

/** An address of the REST door, and the registered operation that it runs. */
export interface RestRoute {
  readonly method: 'GET' | 'POST'
  /** As in OpenAPI, such as /api/predictions/{id}. */
  readonly path: string
  /** Its name in OpenAPI, from which clients are generated. */
  readonly operationId: string
  /** The heading under which OpenAPI shows it. */
  readonly tag: 'Scoring' | 'History' | 'Models'
  readonly summary: string
  readonly description: string
  readonly document: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** The body as OpenAPI shows it, with the domains that the operation itself checks, row by row. */
  readonly shownBody?: z.ZodType
  /** The Idempotency-Key that it takes; absent: it takes none. */
  readonly idempotencyKey?: z.ZodType<string>
  readonly hasEntityTag?: true
  readonly answer: z.ZodType
  /** Codes of errors that it can answer, besides those of every route. */
  readonly codes: readonly ProblemCode[]
  readonly variables: (asked: Asked) => Record<string, unknown>
  /** The answer that the data of the operation makes. @throws AppError where the operation has found nothing */
  readonly answerOf: (data: Data) => unknown
  /** Leads into the request, from the path of a problem that the operation has found. */
  readonly pathOf: (path: readonly string[]) => RestPath
}

// biome-ignore lint/suspicious/noExplicitAny: the data of a registered document has the form that the document gives it
export type Data = any

/** @throws AppError with this code, where there is nothing */
export function found(value: Data, code: ErrorCode, message: string): Data {
  if (value === null) throw new AppError(code, message)
  return value
}

/** An Idempotency-Key of at most so many characters. */
export function idempotencyKey(longest: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[!-~]+$/, 'must be printable ASCII characters without spaces')
    .describe('The same key with the same input: the first answer again, with `replayed: true`. With other input: 422.')
}

const MOST_PROBLEMS = 50

/** Checks the value at a place of a request against its schema. @throws AppError BAD_USER_INPUT with every problem */
export function checked<T>(schema: z.ZodType<T>, value: unknown, ...[part, ...place]: RestPath): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues
    .slice(0, MOST_PROBLEMS)
    .flatMap(issue => mistakesIn(issue, value))
    .slice(0, MOST_PROBLEMS)
    .map(({ path, mistake }) =>
      inputProblem(`${nameOf([...place, ...path]) ?? `The ${part}`} ${mistake}.`, part, ...place, ...path),
    )
  throw new AppError('BAD_USER_INPUT', `The request has ${problems.length} problem(s): see problems.`, { problems })
}

/** The last name of a path: an item of a list is called by its list. */
function nameOf(path: readonly string[]): string | undefined {
  return path.findLast(key => !/^\d+$/.test(key))
}

interface Mistake {
  readonly path: readonly string[]
  readonly mistake: string
}

function mistakesIn(issue: z.core.$ZodIssue, value: unknown): Mistake[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .slice(0, MOST_PROBLEMS)
      .map(key => ({ path: [...path, key.slice(0, 100)], mistake: 'is not known here: leave it out' }))
  }
  return [{ path, mistake: isAbsent(value, issue.path) ? 'is required' : mistakeOf(issue) }]
}

const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
}

const SIZED: Readonly<Record<string, string>> = { array: ' item(s)', string: ' character(s)' }

function mistakeOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${NAMES[issue.expected] ?? 'of another type'}`
    case 'invalid_union':
      return `must be one of: ${(issue as { options?: readonly unknown[] }).options?.join(', ')}`
    case 'invalid_value':
      return `must be one of: ${issue.values.join(', ')}`
    case 'too_small':
      return `must ${SIZED[issue.origin] ? 'have' : 'be'} at least ${issue.minimum}${SIZED[issue.origin] ?? ''}`
    case 'too_big':
      return `must ${SIZED[issue.origin] ? 'have' : 'be'} at most ${issue.maximum}${SIZED[issue.origin] ?? ''}`
    default:
      return issue.message
  }
}

function isAbsent(value: unknown, path: readonly PropertyKey[]): boolean {
  const found = path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value)
  return found === undefined
}
