import { z } from 'zod'
import { AppError, type ErrorCode } from '../../errors.js'
import type { RestPath } from '../problem.js'
import type { ProblemCode } from './problemCodes.js'

/** What a request asks, after its check. */
export interface Asked {
  /** The only parameter of the path, or the first; empty in a path without one. */
  readonly parameter: string
  /** All parameters of the path by their names. */
  readonly parameters: Readonly<Record<string, string>>
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
  readonly answerOf: (data: Data, asked: Asked) => unknown
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

/** An Idempotency-Key of at most so many characters. `otherInput`: what the same key with other input gives. */
export function idempotencyKey(longest: number, otherInput: string): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[!-~]+$/, 'must be printable ASCII characters without spaces')
    .describe(
      `The same key with the same input: the first answer again, with \`replayed: true\`. With other input: ${otherInput}.`,
    )
}
