import { type DatabaseAddress, placeOf } from '../../databaseUrl/databaseUrl.js'
import { offersTls } from './tlsProbe.js'

const NOTHING_ANSWERS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
])
/** The server starts, recovers or stops, has no connection left, or is a standby that may be promoted; 08P01: a pooler does not reach it. */
const NOT_YET = new Set(['57P01', '57P03', '53300', '08P01', '25006'])
const READ_ONLY = '25006'
const NO_SUCH_DATABASE = '3D000'
/** TLS began and was given up. */
const BROKEN_TLS = /^(ECONNRESET|CONNECTION_CLOSED|ERR_SSL_.*)$/
const UNTRUSTED = /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_.*)$/
const INVALID_SETTING = /^(22|42)/

/** Why a connection failed. */
export interface AccessFailure {
  readonly code: string
  /** The parameter that a pooler refuses, by its name. */
  readonly refusedParameter: string | undefined
  /** Whether a pooler gives each statement another session. */
  readonly isStatementMode: boolean
}

/** The parameter that a pooler refuses. Its message is not repeated as it stands. */
export function refusedParameter(error: unknown): string | undefined {
  const { message = '' } = error as { message?: string }
  return /unsupported startup parameter(?: in options)?: ([a-z_]+)/i.exec(message)?.[1]
}

/** Whether a pooler refuses transactions, as PgBouncer does with pool_mode = statement. */
export function isStatementMode(error: unknown): boolean {
  const { message = '' } = error as { message?: string }
  return message.includes('statement pooling mode')
}

/** Whether the same may work a moment later. */
export async function isPassing(address: DatabaseAddress, failure: AccessFailure): Promise<boolean> {
  const { code, refusedParameter: refused, isStatementMode: isRefused } = failure
  return (
    refused === undefined && !isRefused && (NOTHING_ANSWERS.has(code) || NOT_YET.has(code)) && !(await lacksTls(address, failure))
  )
}

/** A sentence that repeats nothing of the URL but its hosts: the name of the database, too, may be a part of a password. */
export async function accessProblem(address: DatabaseAddress, failure: AccessFailure): Promise<string> {
  const { code, refusedParameter: refused } = failure
  const there = `PostgreSQL at ${placeOf(address)}`
  if (refused !== undefined)
    return `the pooler at ${placeOf(address)} refuses the parameter ${refused} of the URL (${code}): leave it out, and set it for the user or the database.`
  if (failure.isStatementMode)
    return `the pooler at ${placeOf(address)} refuses transactions (${code}): set its pool_mode to transaction or session.`
  if (await lacksTls(address, failure)) return `the ${there} does not offer TLS, which the URL demands by its sslmode (${code}).`
  if (code === READ_ONLY) return `the ${there} is a standby, which takes no writes (${code}).`
  if (NOTHING_ANSWERS.has(code)) {
    if (address.hosts.length > 1) return `no PostgreSQL that takes writes answers at ${placeOf(address)} (${code}).`
    return `no PostgreSQL answers at ${placeOf(address)} (${code}).`
  }
  if (NOT_YET.has(code)) return `the ${there} does not take connections yet (${code}).`
  if (code === '28P01') return `the ${there} refuses this user or password.`
  if (code === '28000')
    return `the ${there} refuses this user, or a connection like this (28000): look at its pg_hba.conf, and at sslmode.`
  if (code === NO_SUCH_DATABASE) return `the ${there} does not have the database that the URL names (${code}).`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `the ${there} has a certificate for another host (${code}): write the host as its certificate does.`
  if (UNTRUSTED.test(code))
    return `the ${there} has a certificate of an authority that is not trusted (${code}): name the right one in sslrootcert.`
  if (/^CERT_/.test(code)) return `the ${there} has a certificate that is not valid (${code}).`
  if (INVALID_SETTING.test(code) && Object.keys(address.session).length > 0)
    return `the ${there} refuses a setting in ${Object.keys(address.session).join(' and ')} of the URL (${code}).`
  return `the ${there} cannot be used (${code}).`
}

/** Whether the URL demands TLS, and no host offers it. */
async function lacksTls({ hosts, tls }: DatabaseAddress, { code }: AccessFailure): Promise<boolean> {
  if (!BROKEN_TLS.test(code) || tls.mode === 'disable' || tls.mode === 'prefer') return false
  const answers = await Promise.all(hosts.map(host => offersTls(host)))
  return !answers.includes(true)
}
