import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { SECRETS, type Settings, settings } from './settings.js'

const PREFIX = 'RISKGATE_'
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/
// The default points (operations and rows) for one period.
const POINTS_OF_PRINCIPAL = 100_000
const POINTS_OF_TENANT = 200_000

type Secret = (typeof SECRETS)[number]
type Variables = Readonly<Record<string, string | undefined>>

/** Every setting with its value in effect. */
export interface Environment {
  readonly env: Settings & { readonly RISKGATE_RATE_LIMIT_PRINCIPAL: number; readonly RISKGATE_RATE_LIMIT_TENANT: number }
  readonly development: boolean
}

/** Reads all settings from environment variables, or returns every problem. An empty variable counts as not set. */
export function readEnvironment(variables: Variables): Environment | { readonly problems: readonly string[] } {
  const { given, problems: unreadable } = withFiles(givenOf(variables), SECRETS)
  const { env, problems: invalid } = parsedSettings(given)
  const problems = [...unreadable, ...unknownKeys(given), ...invalid, ...missing(given), ...contradictions(given, env)]
  if (problems.length > 0) return { problems }
  const development = isDevelopment(given)
  return {
    env: {
      ...(env as Settings),
      // No limit in development: people who try riskgate on a laptop measure it first.
      RISKGATE_RATE_LIMIT_PRINCIPAL: env.RISKGATE_RATE_LIMIT_PRINCIPAL ?? (development ? 0 : POINTS_OF_PRINCIPAL),
      RISKGATE_RATE_LIMIT_TENANT: env.RISKGATE_RATE_LIMIT_TENANT ?? (development ? 0 : POINTS_OF_TENANT),
    },
    development,
  }
}

/** Reads one setting that may come from a file. */
export function readSetting<Key extends Secret>(
  variables: Variables,
  key: Key,
): { readonly value: Settings[Key]; readonly problems: readonly string[] } {
  const { given, problems } = withFiles(givenOf(variables), [key])
  const { env, problems: invalid } = parsedSettings(given, [key])
  return { value: env[key] as Settings[Key], problems: [...problems, ...invalid] }
}

/** An empty variable counts as not set. */
function givenOf(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''))
}

/**
 * Parses each setting by itself, so that contradictions between the others are reported beside an invalid one. An invalid setting
 * has no value.
 */
function parsedSettings(
  given: Variables,
  keys = Object.keys(settings.shape) as (keyof Settings)[],
): { env: Partial<Settings>; problems: string[] } {
  const results = keys.map(key => [key, settings.shape[key].safeParse(given[key])] as const)
  return {
    env: Object.fromEntries(results.map(([key, { data }]) => [key, data])),
    problems: results.flatMap(([key, { error }]) => (error?.issues ?? []).map(({ message }) => `${key} ${message}.`)),
  }
}

/** Reads each secret whose `<name>_FILE` is set from that file, which an orchestrator provides, without the end of its line. */
function withFiles(variables: Variables, secrets: readonly Secret[]): { given: Variables; problems: string[] } {
  const given: Record<string, string | undefined> = { ...variables }
  const problems: string[] = []
  for (const key of secrets) {
    const fileKey = fileKeyOf(key)
    const file = given[fileKey]
    if (file === undefined) continue
    if (given[key] !== undefined) problems.push(`${key} and ${fileKey} must not both be set.`)
    try {
      const bytes = readFileSync(file)
      const text = bytes.toString().replace(/\r?\n$/, '')
      // Decoding makes all invalid bytes the same character: a secret of such bytes could be guessed.
      if (!isUtf8(bytes)) problems.push(`${fileKey} names a file that is not UTF-8 text.`)
      else if (text === '') problems.push(`${fileKey} names an empty file.`)
      else given[key] = text
    } catch (error) {
      problems.push(`${fileKey} names a file that cannot be read (${(error as NodeJS.ErrnoException).code}).`)
    }
  }
  return { given, problems }
}

function unknownKeys(given: Variables): string[] {
  const known = [...Object.keys(settings.shape), ...SECRETS.map(fileKeyOf)]
  return Object.keys(given)
    .filter(key => key.startsWith(PREFIX) && !known.includes(key))
    .map(key => `${key} is not a setting of riskgate.`)
}

/** Development is on by an explicit switch, or for a start without any key that only this machine can reach. */
function isDevelopment(given: Variables): boolean {
  if (given.RISKGATE_DEVELOPMENT === 'true' || given.RISKGATE_DEVELOPMENT === 'false')
    return given.RISKGATE_DEVELOPMENT === 'true'
  return given.NODE_ENV !== 'production' && !hasKey(given) && LOOPBACK.test(given.RISKGATE_HOST ?? '127.0.0.1')
}

function hasKey(given: Variables): boolean {
  return isGiven(given, 'RISKGATE_JWT_SECRET') || isGiven(given, 'RISKGATE_JWKS_URL')
}

/** A file that cannot be read counts as given too: it is a problem of its own. */
function isGiven(given: Variables, key: string): boolean {
  return given[key] !== undefined || (isSecret(key) && given[fileKeyOf(key)] !== undefined)
}

function missing(given: Variables): string[] {
  const isProduction = given.NODE_ENV === 'production'
  const hasDatabase = isGiven(given, 'DATABASE_URL')
  return [
    ...(isProduction && !hasDatabase ? ['DATABASE_URL must be set when NODE_ENV is production.'] : []),
    ...(hasKey(given) || isDevelopment(given)
      ? []
      : [`RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set ${whyKeyIsWanted(given)}.`]),
  ]
}

function whyKeyIsWanted(given: Variables): string {
  if (given.NODE_ENV === 'production') return 'when NODE_ENV is production'
  if (given.RISKGATE_DEVELOPMENT !== undefined) return 'unless RISKGATE_DEVELOPMENT is true'
  return 'unless riskgate serves this machine alone or RISKGATE_DEVELOPMENT is true'
}

function contradictions(given: Variables, env: Partial<Settings>): string[] {
  const problems: string[] = []
  const refuseIf = (wrong: boolean, problem: string) => wrong && problems.push(problem)
  const { RISKGATE_PREDICTION_RETENTION_DAYS: predictionDays, RISKGATE_ALERT_RETENTION_DAYS: alertDays } = env
  const { RISKGATE_JWKS_URL: jwksUrl } = env
  refuseIf(
    // An alert without its prediction would be a gap in the feed.
    predictionDays !== undefined && alertDays !== undefined && predictionDays < alertDays,
    'RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.',
  )
  refuseIf(
    env.RISKGATE_DEVELOPMENT === true && env.NODE_ENV === 'production',
    'RISKGATE_DEVELOPMENT must not be true when NODE_ENV is production.',
  )
  refuseIf(
    isGiven(given, 'RISKGATE_JWT_PREVIOUS_SECRET') && !isGiven(given, 'RISKGATE_JWT_SECRET'),
    'RISKGATE_JWT_PREVIOUS_SECRET must not be set without RISKGATE_JWT_SECRET.',
  )
  refuseIf(
    jwksUrl !== undefined && !isPrivatelyRead(new URL(jwksUrl)),
    'RISKGATE_JWKS_URL must begin with https:// unless it is on this machine.',
  )
  refuseIf(
    isGiven(given, 'RISKGATE_TLS_CERT_FILE') !== isGiven(given, 'RISKGATE_TLS_KEY_FILE'),
    'RISKGATE_TLS_CERT_FILE and RISKGATE_TLS_KEY_FILE must be set together.',
  )
  return problems
}

/** Whether nobody on the way can replace the issuer's keys with their own. */
function isPrivatelyRead({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || LOOPBACK.test(hostname.replace(/[[\]]/g, ''))
}

function fileKeyOf(key: string): string {
  return `${key}_FILE`
}

/** Whether a setting must never be shown. */
export function isSecret(key: string): boolean {
  return (SECRETS as readonly string[]).includes(key)
}
