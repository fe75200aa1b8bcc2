// Codes of PostgreSQL (appendix A of its manual), of postgres.js and of Node's sockets.
const NOT_BEGUN = 'NOT_BEGUN'
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CONNECT_TIMEOUT',
  // A write into a socket that never was connected.
  'ERR_SOCKET_CLOSED',
  // The folder of a Unix socket has none.
  'ENOENT',
  NOT_BEGUN,
])
/**
 * The server ended the statement or refused it: nothing was committed. Classes 28 and 3D: the login or database is gone. 53 and
 * 58: no disk, memory or connections left, or a failing disk. 57P0: the server stops or starts. 25006 and 55000: a standby.
 */
const REFUSED = /^(28|3D|53|58|57P0|25006|55000|40001)/
/** TLS could not begin: a certificate has expired, or is of somebody else. */
const NO_TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_)/
const CONNECTION_CLOSED = 'CONNECTION_CLOSED'
const BROKEN = new Set([CONNECTION_CLOSED, 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])
/** A pooler has lost the server, or ends. */
const POOLER_GAVE_UP = /^08/
const DEADLOCK = '40P01'
const MISSING_TABLE_OR_COLUMN = /^(42P01|42703)$/
const LOCK_NOT_AVAILABLE = '55P03'
const QUERY_CANCELLED = '57014'
const NO_PARTITION = '23514'
const NO_PERMISSION = '42501'
const NULL_VALUE = '23502'

/** Postgres did not answer within the deadline of a call. */
export class DeadlineError extends Error {}

/** No statement of a call was sent: its transaction did not begin, as behind a pooler without a free session. */
export class NotBegunError extends Error {
  readonly code = NOT_BEGUN

  constructor() {
    super('The database began no transaction: it has no session, or goes away.')
  }
}

/** A transaction ended before its commit, or its connection did. */
export class ConnectionLostError extends Error {
  readonly code = CONNECTION_CLOSED
}

/** The code of an error of the database, also when Drizzle wrapped it. Its message is never used: it carries parameters. */
export function postgresErrorCode(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = (cause as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'UNKNOWN'
}

export function isNotSent(error: unknown): boolean {
  const code = postgresErrorCode(error)
  return NOT_SENT.has(code) || REFUSED.test(code) || NO_TLS.test(code)
}

export function isCommitUnknown(error: unknown): boolean {
  const code = postgresErrorCode(error)
  return BROKEN.has(code) || POOLER_GAVE_UP.test(code) || error instanceof DeadlineError
}

/** The server refused the statement whatever its rows: the user lacks a right, or a table, column or function is missing or refused. */
export function isRefused(error: unknown): boolean {
  return /^(42501|42P01|42703|42883|0A000|55000)$/.test(postgresErrorCode(error))
}

export function isTooSlow(error: unknown): boolean {
  return postgresErrorCode(error) === QUERY_CANCELLED
}

export function isDeadlock(error: unknown): boolean {
  return postgresErrorCode(error) === DEADLOCK
}

/** The tables are missing, or those of another version. */
export function isMissingTable(error: unknown): boolean {
  return MISSING_TABLE_OR_COLUMN.test(postgresErrorCode(error))
}

/** The user of the database lacks a permission. */
export function isNotPermitted(error: unknown): boolean {
  return postgresErrorCode(error) === NO_PERMISSION
}

/**
 * What PostgreSQL says about a refusal: names of tables and functions. A trigger could say more, so callers and logs never see it; the
 * operator at a command does.
 */
export function wordsOf(error: unknown): string {
  const { cause = error } = error as { cause?: unknown }
  const { says, message } = cause as { says?: unknown; message?: unknown }
  return String(says ?? message)
}

/** A lock was not available within `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  return postgresErrorCode(error) === LOCK_NOT_AVAILABLE
}

/** The same code tells that a row breaks a constraint; that one has a name. */
export function isMissingPartition(error: unknown): boolean {
  const { cause = error } = error as { cause?: unknown }
  return postgresErrorCode(error) === NO_PARTITION && (cause as { constraint_name?: unknown }).constraint_name === undefined
}

/** An alert or audit entry without its epoch: this server has not opened one yet. */
export function isMissingEpoch(error: unknown): boolean {
  const { cause = error } = error as { cause?: unknown }
  return postgresErrorCode(error) === NULL_VALUE && (cause as { column_name?: unknown }).column_name === 'epoch'
}

/** Classes 22 and 23: the data of a row are wrong, not the state of the server. */
export function isDataError(error: unknown): boolean {
  return /^2[23]/.test(postgresErrorCode(error))
}

/**
 * postgres.js asks each new connection for the types of arrays, in a promise that nobody handles. When the server goes away just
 * then, nothing is lost: postgres.js opens the connection anew, and no caller waits for that promise.
 */
export function isLostTypeFetch(error: unknown): boolean {
  const { query } = (error ?? {}) as { query?: unknown }
  return typeof query === 'string' && query.includes('typarray')
}
