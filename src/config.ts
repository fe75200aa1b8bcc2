import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Role } from './auth/principal.js'
import type { SignatureAlgorithm } from './auth/verificationKey.js'
import { SECRETS, type Settings, settings } from './settings.js'

const PREFIX = 'RISKGATE_'
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/
/** Points (operations and rows) for one period of RATE_LIMIT_SECONDS, unless set otherwise. */
const POINTS_OF_PRINCIPAL = 100_000
const POINTS_OF_TENANT = 200_000

/** Everything that can be set from outside, checked and typed. */
export interface Config {
  /** Conveniences that a bank does not want: a key of its own, tokens in a file, introspection and metrics for everyone. */
  readonly development: boolean
  readonly host: string
  readonly port: number
  /** Where an embedded Postgres and the development key live. */
  readonly stateDirectory: string
  readonly modelsDirectory: string
  /** Absent: riskgate starts its own PostgreSQL in the state directory. */
  readonly databaseUrl: string | undefined
  readonly databasePoolSize: number
  /** Absent: cache, limits and alert hints stay within this process. */
  readonly redisUrl: string | undefined
  readonly jwt: JwtConfig
  /** Absent: plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  /** Addresses or ranges whose X-Forwarded-* headers are believed. */
  readonly trustedProxies: readonly string[]
  /** Origins whose pages may call. */
  readonly corsOrigins: readonly string[]
  /** A codegen manifest: only its documents are executed. Absent: any document within the limits. */
  readonly trustedDocumentsFile: string | undefined
  readonly rateLimits: RateLimitConfig
  /** Subscriptions that one principal may have open on one replica, whatever their transport. */
  readonly maxStreams: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly bodyLimitBytes: number
  /** How long load balancers are given to see that this replica goes away. */
  readonly drainMs: number
  readonly alertRetentionDays: number
  /** Absent: predictions are kept for ever. */
  readonly predictionRetentionDays: number | undefined
  /** Whether webhooks may go to private and loopback addresses, and over plain HTTP. */
  readonly webhooksMayBePrivate: boolean
  /** Attempts of a webhook delivery before it is dead, and the pause before the second; each further pause is twice as long. */
  readonly webhookAttempts: number
  readonly webhookRetrySeconds: number
}

export interface JwtConfig {
  /** Shared secret for HS256. */
  readonly secret: Uint8Array | undefined
  /** The secret before a rotation: verifies, never signs. */
  readonly previousSecret: Uint8Array | undefined
  /** The key set of an issuer, for all other algorithms. */
  readonly jwksUrl: URL | undefined
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly issuer: string
  readonly audience: string
  /** A claim's name, or the path to it with dots, such as realm_access.roles. */
  readonly rolesClaim: string
  /** Absent: the claim holds the names of our roles. */
  readonly roleMap: ReadonlyMap<string, Role> | undefined
  readonly tenantClaim: string
  /** Absent: the claim holds the name of the tenant. */
  readonly tenantMap: ReadonlyMap<string, string> | undefined
}

/** Zero: no limit. */
export interface RateLimitConfig {
  /** Operations and rows in ten seconds. */
  readonly principal: number
  readonly tenant: number
  /** Calls in a minute that are anonymous or whose authentication fails. */
  readonly address: number
}

/** The environment cannot be used: every problem at once, each naming its key. The process ends with EXIT_CONFIG. */
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

/** Reads the configuration from environment variables; an empty one counts as not set. Throws ConfigError. */
export function loadConfig(variables: NodeJS.ProcessEnv = process.env): Config {
  const { env, development } = readSettings(variables)
  const { RISKGATE_TLS_CERT_FILE: certFile, RISKGATE_TLS_KEY_FILE: keyFile } = env
  return {
    development,
    host: env.RISKGATE_HOST,
    port: env.RISKGATE_PORT,
    stateDirectory: resolve(env.RISKGATE_STATE_DIR),
    modelsDirectory: resolve(env.RISKGATE_MODELS_DIR),
    databaseUrl: env.DATABASE_URL,
    databasePoolSize: env.RISKGATE_DATABASE_POOL_SIZE,
    redisUrl: env.REDIS_URL,
    jwt: {
      secret: bytesOf(env.RISKGATE_JWT_SECRET),
      previousSecret: bytesOf(env.RISKGATE_JWT_PREVIOUS_SECRET),
      jwksUrl: env.RISKGATE_JWKS_URL === undefined ? undefined : new URL(env.RISKGATE_JWKS_URL),
      algorithms: env.RISKGATE_JWT_ALGORITHMS,
      issuer: env.RISKGATE_JWT_ISSUER,
      audience: env.RISKGATE_JWT_AUDIENCE,
      rolesClaim: env.RISKGATE_JWT_ROLES_CLAIM,
      roleMap: env.RISKGATE_JWT_ROLE_MAP,
      tenantClaim: env.RISKGATE_JWT_TENANT_CLAIM,
      tenantMap: env.RISKGATE_JWT_TENANT_MAP,
    },
    tls: certFile !== undefined && keyFile !== undefined ? { certFile: resolve(certFile), keyFile: resolve(keyFile) } : undefined,
    trustedProxies: env.RISKGATE_TRUSTED_PROXIES,
    corsOrigins: env.RISKGATE_CORS_ORIGINS,
    trustedDocumentsFile: env.RISKGATE_TRUSTED_DOCUMENTS === undefined ? undefined : resolve(env.RISKGATE_TRUSTED_DOCUMENTS),
    rateLimits: {
      principal: env.RISKGATE_RATE_LIMIT_PRINCIPAL,
      tenant: env.RISKGATE_RATE_LIMIT_TENANT,
      address: env.RISKGATE_RATE_LIMIT_ADDRESS,
    },
    maxStreams: env.RISKGATE_MAX_STREAMS,
    logLevel: env.RISKGATE_LOG_LEVEL,
    bodyLimitBytes: env.RISKGATE_BODY_LIMIT_BYTES,
    drainMs: env.RISKGATE_DRAIN_MS,
    alertRetentionDays: env.RISKGATE_ALERT_RETENTION_DAYS,
    predictionRetentionDays: env.RISKGATE_PREDICTION_RETENTION_DAYS,
    webhooksMayBePrivate: env.RISKGATE_WEBHOOK_ALLOW_PRIVATE,
    webhookAttempts: env.RISKGATE_WEBHOOK_ATTEMPTS,
    webhookRetrySeconds: env.RISKGATE_WEBHOOK_RETRY_SECONDS,
  }
}

/** Each setting as it holds, with defaults, and secrets without their values. Throws ConfigError. */
export function shownSettings(variables: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  const { env, development } = readSettings(variables)
  const shown = Object.entries({ ...env, RISKGATE_DEVELOPMENT: development }).map(([key, value]) => [key, shownValue(key, value)])
  return Object.fromEntries(shown)
}

function shownValue(key: string, value: unknown): string {
  if (value === undefined) return ''
  if (isSecret(key)) return '(secret)'
  if (value instanceof Map) return [...value].map(pair => pair.join('=')).join(',')
  // Some issuers want a parameter, and it may be a key.
  return key === 'RISKGATE_JWKS_URL' ? String(value).replace(/[?#].*$/s, '?(hidden)') : String(value)
}

interface Effective extends Settings {
  readonly RISKGATE_RATE_LIMIT_PRINCIPAL: number
  readonly RISKGATE_RATE_LIMIT_TENANT: number
}

function readSettings(variables: NodeJS.ProcessEnv): { env: Effective; development: boolean } {
  const { given, problems: unreadable } = withFiles(
    Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined && value !== '')),
  )
  const { env, problems: invalid } = parsedSettings(given)
  const problems = [...unreadable, ...unknownKeys(given), ...invalid, ...missing(given), ...contradictions(given, env)]
  if (problems.length > 0) throw new ConfigError(problems)
  const development = isDevelopment(given)
  return {
    env: {
      ...(env as Settings),
      // Whoever tries it on a laptop measures it first.
      RISKGATE_RATE_LIMIT_PRINCIPAL: env.RISKGATE_RATE_LIMIT_PRINCIPAL ?? (development ? 0 : POINTS_OF_PRINCIPAL),
      RISKGATE_RATE_LIMIT_TENANT: env.RISKGATE_RATE_LIMIT_TENANT ?? (development ? 0 : POINTS_OF_TENANT),
    },
    development,
  }
}

/** Each by itself, so that what the others contradict is told beside one that is wrong. A wrong one has no value. */
function parsedSettings(given: Variables): { env: Partial<Settings>; problems: string[] } {
  const results = Object.entries(settings.shape).map(([key, setting]) => [key, setting.safeParse(given[key])] as const)
  return {
    env: Object.fromEntries(results.map(([key, { data }]) => [key, data])),
    problems: results.flatMap(([key, { error }]) => (error?.issues ?? []).map(({ message }) => `${key} ${message}.`)),
  }
}

type Variables = Readonly<Record<string, string | undefined>>

/** Secrets whose `<name>_FILE` is given, read from there: a file of an orchestrator, without the end of its line. */
function withFiles(variables: Variables): { given: Variables; problems: string[] } {
  const given: Record<string, string | undefined> = { ...variables }
  const problems: string[] = []
  for (const key of SECRETS) {
    const fileKey = fileKeyOf(key)
    const file = given[fileKey]
    if (file === undefined) continue
    if (given[key] !== undefined) problems.push(`${key} and ${fileKey} must not both be set.`)
    try {
      const bytes = readFileSync(file)
      const text = bytes.toString().replace(/\r?\n$/, '')
      // Read as text, all other bytes are one and the same character: a secret of them could be guessed.
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

/** By an explicit switch, or a start without any key that only this machine can reach. */
function isDevelopment(given: Variables): boolean {
  if (given.RISKGATE_DEVELOPMENT === 'true' || given.RISKGATE_DEVELOPMENT === 'false')
    return given.RISKGATE_DEVELOPMENT === 'true'
  return given.NODE_ENV !== 'production' && !hasKey(given) && LOOPBACK.test(given.RISKGATE_HOST ?? '127.0.0.1')
}

function hasKey(given: Variables): boolean {
  return isGiven(given, 'RISKGATE_JWT_SECRET') || isGiven(given, 'RISKGATE_JWKS_URL')
}

/** Also by a file that cannot be read, which is a problem of its own. */
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

/** Nobody between may put keys of their own in. */
function isPrivatelyRead({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || LOOPBACK.test(hostname.replace(/[[\]]/g, ''))
}

function fileKeyOf(key: string): string {
  return `${key}_FILE`
}

function isSecret(key: string): boolean {
  return (SECRETS as readonly string[]).includes(key)
}

function bytesOf(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : Buffer.from(text)
}
