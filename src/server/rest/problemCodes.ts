import type { ErrorCode } from '../../errors.js'

/** The codes that a REST answer can have, each with its meaning for the caller. */
export const PROBLEM_CODES = {
  BAD_REQUEST: 'The request is not one of this API: broken JSON, an unknown address, method or content type. Fix the client.',
  BAD_USER_INPUT: 'A value is wrong. `problems` lists each mistake with its place.',
  BAD_CURSOR: 'The cursor belongs to another list, filter or order. Start without a cursor.',
  QUERY_TOO_COMPLEX: 'The request asks for more than one call may have. Send it in parts.',
  QUERY_TOO_BROAD: 'The list would read too much of the history for its page. Narrow it, as the detail says.',
  UNAUTHENTICATED: 'There is no access token or API key, or it is not valid here, has expired or was revoked. Get a new one.',
  FORBIDDEN: 'The roles of the caller do not allow this. Ask an administrator for the role.',
  NOT_FOUND: 'Nothing is at this address, or nothing that the caller may read has this id.',
  MODEL_NOT_FOUND: 'No model of this name serves here, or the version that made a prediction is not installed.',
  PAYLOAD_TOO_LARGE: 'The request is larger than this server takes. Send smaller batches.',
  IDEMPOTENCY_KEY_REUSED: 'The idempotency key was used for another input. Use one key for one application.',
  RATE_LIMITED: 'A limit is used up for now. Wait as many seconds as `Retry-After` says.',
  MODEL_OUTPUT_INVALID: 'The model failed, or its output is not a probability. Nothing was stored. Tell the operator.',
  SERVICE_UNAVAILABLE: 'The store does not answer. This call stored nothing. Try again shortly.',
  OUTCOME_UNKNOWN: 'The store did not confirm in time: stored or not is unknown. Send the same again, with its idempotency key.',
  INTERNAL_SERVER_ERROR: 'Something unexpected happened. `errorId` finds it in the log of the operator.',
} satisfies Partial<Record<ErrorCode, string>>

export type ProblemCode = keyof typeof PROBLEM_CODES

/** The codes that every route can answer. */
export const COMMON_CODES: readonly ProblemCode[] = [
  'BAD_REQUEST',
  'BAD_USER_INPUT',
  'QUERY_TOO_COMPLEX',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'RATE_LIMITED',
  'SERVICE_UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
]
