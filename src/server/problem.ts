import type { FastifyReply } from 'fastify'
import type { GraphQLFormattedError } from 'graphql'
import type { Problem } from '../errors.js'
import { retryHeaders } from './formatError.js'

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** Where a mistake stands in a request: a JSON pointer into its body (RFC 6901, as a fragment), a parameter of its address or a header. */
type Place = { readonly pointer: string } | { readonly parameter: string } | { readonly header: string }

/** A path of a problem in a REST request begins with the part of the request that it leads into. */
export type RestPath = readonly ['body' | 'address' | 'header', ...string[]]

interface ProblemDetails {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly requestId: string
  readonly retryable?: true
  /** Finds an unexpected error in the log. */
  readonly errorId?: string
  readonly problems?: readonly RestMistake[]
}

type RestMistake = { readonly code: string; readonly detail: string } & Place

/** Answers with an error in the form of RFC 9457. The paths of its problems are REST paths. */
export function sendProblem(reply: FastifyReply, status: number, error: GraphQLFormattedError): FastifyReply {
  return reply
    .code(status)
    .headers({ ...retryHeaders(error), 'content-type': PROBLEM_TYPE })
    .send(`${JSON.stringify(problemOf(error, status, reply.request.id))}\n`)
}

function problemOf({ message, extensions }: GraphQLFormattedError, status: number, requestId: string): ProblemDetails {
  const { code, retryable, errorId, problems } = extensions as {
    readonly code: string
    readonly retryable?: true
    readonly errorId?: string
    readonly problems?: readonly Problem[]
  }
  return {
    type: `/api/docs#${code}`,
    title: titleOf(code),
    status,
    detail: message,
    code,
    requestId,
    ...(retryable && { retryable }),
    ...(errorId !== undefined && { errorId }),
    ...(problems && { problems: problems.map(problem => restMistake(problem, problem.path as RestPath)) }),
  }
}

export function restMistake({ code, message }: Pick<Problem, 'code' | 'message'>, path: RestPath): RestMistake {
  return { code, detail: message, ...placeOf(path) }
}

function placeOf([part, ...path]: RestPath): Place {
  const [name = ''] = path
  if (part === 'address') return { parameter: name }
  if (part === 'header') return { header: name }
  return { pointer: `#${path.map(key => `/${encodeURIComponent(escaped(key))}`).join('')}` }
}

/** A key as a JSON pointer has it (RFC 6901, section 3). A fragment cannot hold half of a surrogate pair, which a key of JSON may be. */
function escaped(key: string): string {
  return key.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')
}

/** "IDEMPOTENCY_KEY_REUSED" as "Idempotency key reused". */
function titleOf(code: string): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
