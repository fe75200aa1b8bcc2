/**
 * Every error code that a caller can get, with the HTTP status of a response that holds only this error. docs/errors.md is tested
 * against it.
 */
export const ERROR_CODES = {
  BAD_REQUEST: { status: 400, retryable: false },
  GRAPHQL_PARSE_FAILED: { status: 400, retryable: false },
  GRAPHQL_VALIDATION_FAILED: { status: 400, retryable: false },
  BAD_USER_INPUT: { status: 400, retryable: false },
  BAD_CURSOR: { status: 400, retryable: false },
  QUERY_TOO_COMPLEX: { status: 400, retryable: false },
  QUERY_TOO_BROAD: { status: 400, retryable: false },
  SUBSCRIPTION_REQUIRES_WEBSOCKET: { status: 400, retryable: false },
  UNAUTHENTICATED: { status: 401, retryable: false },
  FORBIDDEN: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  MODEL_NOT_FOUND: { status: 404, retryable: false },
  CURSOR_EXPIRED: { status: 410, retryable: false },
  PAYLOAD_TOO_LARGE: { status: 413, retryable: false },
  IDEMPOTENCY_KEY_REUSED: { status: 422, retryable: false },
  RATE_LIMITED: { status: 429, retryable: true },
  MODEL_OUTPUT_INVALID: { status: 503, retryable: false },
  SERVICE_UNAVAILABLE: { status: 503, retryable: true },
  OUTCOME_UNKNOWN: { status: 503, retryable: true },
  INTERNAL_SERVER_ERROR: { status: 500, retryable: false },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** One mistake of the caller: `path` leads into the input; the offending value is never repeated. */
export interface Problem {
  readonly code: ErrorCode
  readonly message: string
  readonly path: readonly string[]
}

/** An expected failure. Its message is a sentence for the caller that says what to do and repeats no value of theirs. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly problems: readonly Problem[]

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; problems?: readonly Problem[] } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.problems = options.problems ?? []
  }
}

/** A mistake in the input, which `path` leads into. */
export function inputProblem(message: string, ...path: readonly string[]): Problem {
  return { code: 'BAD_USER_INPUT', message, path }
}

/** The error for input with these problems. Its message is that of the first. */
export function badInput(first: Problem, ...others: readonly Problem[]): AppError {
  return new AppError('BAD_USER_INPUT', first.message, { problems: [first, ...others] })
}

/**
 * The settings, or the things that they name (models, certificate, documents, database), cannot be used. Lists every problem at
 * once, each with its setting or file. The process ends with EXIT_CONFIG.
 */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** EX_CONFIG of sysexits.h. */
export const EXIT_CONFIG = 78
