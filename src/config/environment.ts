import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { withLibpqVariables } from './libpqVariables.js'
import { isLoopback } from './loopback.js'
import { REFUSALS } from './refusals.js'
import { SECRETS, type Settings, settings } from './settings.js'

const PREFIX = 'RISKGATE_'
// People who try riskgate on a laptop measure it first.
const DEVELOPMENT_DEFAULTS = { RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' }

type Secret = (typeof SECRETS)[number]
type Variables = Readonly<Record<string, string | undefined>>

/** Every setting with its value in effect. */
export interface Environment {
  readonly env: Settings
  readonly development: boolean
}

/** Reads all settings from environment variables, or returns every problem. An empty variable counts as not set. */
export function readEnvironment(variables: Variables): Environment | { readonly problems: readonly string[] } {
  const { given, problems: unreadable } = withFiles(givenOf(variables), SECRETS)
  const development = isDevelopment(given)
  const { env, problems: invalid } = parsedSettings(development ? { ...DEVELOPMENT_DEFAULTS, ...given } : given)
  const start = { isDevelopment: development, isGiven: (key: string) => isGiven(given, key), env }
  const refused = REFUSALS.filter(({ applies }) => applies(start)).map(({ problem }) => problem)
  const problems = [...unreadable, ...unknownKeys(given), ...invalid, ...refused]
  return problems.length > 0 ? { problems } : { env: env as Settings, development }
}

/** Reads these settings alone, for a command that needs no others. A setting with a problem has no value. */
export function readSettings<Key extends keyof Settings>(
  variables: Variables,
  keys: readonly Key[],
): { readonly env: Partial<Pick<Settings, Key>>; readonly problems: readonly string[] } {
  const { given, problems } = withFiles(
    givenOf(variables),
    SECRETS.filter(secret => (keys as readonly string[]).includes(secret)),
  )
  const { env, problems: invalid } = parsedSettings(given, keys)
  return { env: env as Partial<Pick<Settings, Key>>, problems: [...problems, ...invalid] }
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
  keys: readonly (keyof Settings)[] = Object.keys(settings.shape) as (keyof Settings)[],
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
  const url = given.DATABASE_URL
  if (url !== undefined) given.DATABASE_URL = withLibpqVariables(url, variables)
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
  const hasKey = isGiven(given, 'RISKGATE_JWT_SECRET') || isGiven(given, 'RISKGATE_JWKS_URL')
  return given.NODE_ENV !== 'production' && !hasKey && isLoopback(given.RISKGATE_HOST ?? '127.0.0.1')
}

/** By its value, or by its file. */
function isGiven(given: Variables, key: string): boolean {
  return given[key] !== undefined || (isSecret(key) && given[fileKeyOf(key)] !== undefined)
}

function fileKeyOf(key: string): string {
  return `${key}_FILE`
}

/** Whether a setting must never be shown. */
export function isSecret(key: string): boolean {
  return (SECRETS as readonly string[]).includes(key)
}
