import { resolve } from 'node:path'
import type { Role } from '../auth/principal.js'
import type { SignatureAlgorithm } from '../auth/verificationKey.js'
import { ConfigError } from '../errors.js'
import { type Environment, isSecret, readEnvironment, readSettings } from './environment.js'
import { type FollowedMlflow, followedMlflow } from './mlflowConfig.js'
import { parseRedisUrl, type RedisPlace } from './redisUrl.js'
import { PREDICTIONS_BEFORE_ALERTS } from './refusals.js'

/** Everything that can be set from outside, checked and typed. */
export interface Config {
  /** Conveniences that no bank wants: a signing key of its own, tokens in a file, introspection and metrics for everyone. */
  readonly development: boolean
  readonly host: string
  readonly port: number
  /** Where the embedded Postgres and the development key are kept. */
  readonly stateDirectory: string
  readonly modelsDirectory: string
  /** What the process that checks a model version may use. */
  readonly admission: { readonly seconds: number; readonly memoryMib: number }
  /** Signs the reports of checks. Absent: they are not signed, except in development. */
  readonly releaseKey: Uint8Array | undefined
  /** Absent: riskgate starts its own PostgreSQL in the state directory. */
  readonly databaseUrl: string | undefined
  readonly databasePoolSize: number
  /** False: a step of its own migrates the database, and a start only checks it. */
  readonly mayMigrate: boolean
  /** Whether the storage of the database never writes half a page, so that PostgreSQL need not guard against it. */
  readonly fullPageWritesMayBeOff: boolean
  /** Absent: cache, limits and alert hints stay within this process. */
  readonly redis: (RedisPlace & { readonly caFile: string | undefined }) | undefined
  readonly jwt: JwtConfig
  /** Absent: plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number
  /** Addresses or ranges whose headers about the client are believed. */
  readonly trustedProxies: readonly string[]
  /** Where they name the client. */
  readonly forwardedHeader: 'x-forwarded-for' | 'forwarded'
  /** Origins whose pages may call the API. */
  readonly corsOrigins: readonly string[]
  /** A codegen manifest: only its documents are executed. Absent: any document within the limits may run. */
  readonly trustedDocumentsFile: string | undefined
  readonly rateLimits: RateLimitConfig
  /** Subscriptions that one principal may have open on one replica, whatever their transport. */
  readonly maxStreams: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly requestLog: {
    /** Above this rate only some successes are logged. Zero: all are. */
    readonly successesPerSecond: number
    /** A request that took this long is always logged. */
    readonly slowMs: number
  }
  readonly traces: {
    /** Absent: nothing is traced. */
    readonly endpoint: URL | undefined
    /** The part of requests that is traced, 0 to 1. */
    readonly ratio: number
  }
  readonly bodyLimitBytes: number
  /** How long load balancers have to notice that this replica goes away. */
  readonly drainMs: number
  readonly alertRetentionDays: number
  /** Absent: predictions are kept for ever. */
  readonly predictionRetentionDays: number | undefined
  /** Whether a second principal must approve a change of what serves. */
  readonly releaseApproval: boolean
  /** Whether webhooks may go to all private and loopback addresses, and over plain HTTP. */
  readonly webhooksMayBePrivate: boolean
  /** Networks that webhooks may go to besides public addresses, also over plain HTTP. */
  readonly webhookPrivateNetworks: readonly string[]
  /** The longest pause that an endpoint may ask for. Zero: none. */
  readonly webhookRetryAfterSeconds: number
  /**
   * How many attempts a webhook delivery gets before it is dead, and the pause before the second attempt. Each further pause is
   * twice as long.
   */
  readonly webhookAttempts: number
  readonly webhookRetrySeconds: number
  /** Absent: no registry is followed. */
  readonly mlflow: FollowedMlflow | undefined
}

export interface JwtConfig {
  /** Shared secret for HS256. */
  readonly secret: Uint8Array | undefined
  /** The secret from before a rotation: it verifies tokens, but never signs any. */
  readonly previousSecret: Uint8Array | undefined
  /** The key set of an issuer, for all other algorithms. */
  readonly jwksUrl: URL | undefined
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly issuer: string
  readonly audience: string
  /** The name of the claim, or a path to it with dots, such as realm_access.roles. */
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

/** Reads the configuration from environment variables; an empty one counts as not set. @throws ConfigError */
export function loadConfig(variables: NodeJS.ProcessEnv = process.env): Config {
  const { env, development } = checked(variables)
  const { RISKGATE_TLS_CERT_FILE: certFile, RISKGATE_TLS_KEY_FILE: keyFile } = env
  return {
    development,
    host: env.RISKGATE_HOST,
    port: env.RISKGATE_PORT,
    stateDirectory: resolve(env.RISKGATE_STATE_DIR),
    modelsDirectory: resolve(env.RISKGATE_MODELS_DIR),
    admission: { seconds: env.RISKGATE_ADMISSION_SECONDS, memoryMib: env.RISKGATE_ADMISSION_MEMORY_MIB },
    releaseKey: bytesOf(env.RISKGATE_RELEASE_KEY),
    databaseUrl: env.DATABASE_URL,
    databasePoolSize: env.RISKGATE_DATABASE_POOL_SIZE,
    mayMigrate: env.RISKGATE_MIGRATE_AT_START,
    fullPageWritesMayBeOff: env.RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF,
    redis: redisOf(env.REDIS_URL, env.RISKGATE_REDIS_CA_FILE),
    jwt: {
      secret: bytesOf(env.RISKGATE_JWT_SECRET),
      previousSecret: bytesOf(env.RISKGATE_JWT_PREVIOUS_SECRET),
      jwksUrl: urlOf(env.RISKGATE_JWKS_URL),
      algorithms: env.RISKGATE_JWT_ALGORITHMS,
      issuer: env.RISKGATE_JWT_ISSUER,
      audience: env.RISKGATE_JWT_AUDIENCE,
      rolesClaim: env.RISKGATE_JWT_ROLES_CLAIM,
      roleMap: env.RISKGATE_JWT_ROLE_MAP,
      tenantClaim: env.RISKGATE_JWT_TENANT_CLAIM,
      tenantMap: env.RISKGATE_JWT_TENANT_MAP,
    },
    tls: certFile !== undefined && keyFile !== undefined ? { certFile: resolve(certFile), keyFile: resolve(keyFile) } : undefined,
    keepAliveMs: env.RISKGATE_KEEP_ALIVE_SECONDS * 1_000,
    trustedProxies: env.RISKGATE_TRUSTED_PROXIES,
    forwardedHeader: env.RISKGATE_FORWARDED_HEADER,
    corsOrigins: env.RISKGATE_CORS_ORIGINS,
    trustedDocumentsFile: env.RISKGATE_TRUSTED_DOCUMENTS === undefined ? undefined : resolve(env.RISKGATE_TRUSTED_DOCUMENTS),
    rateLimits: {
      principal: env.RISKGATE_RATE_LIMIT_PRINCIPAL,
      tenant: env.RISKGATE_RATE_LIMIT_TENANT,
      address: env.RISKGATE_RATE_LIMIT_ADDRESS,
    },
    maxStreams: env.RISKGATE_MAX_STREAMS,
    logLevel: env.RISKGATE_LOG_LEVEL,
    requestLog: { successesPerSecond: env.RISKGATE_LOG_SUCCESSES_PER_SECOND, slowMs: env.RISKGATE_LOG_SLOW_MS },
    traces: { endpoint: urlOf(env.OTEL_EXPORTER_OTLP_ENDPOINT), ratio: env.RISKGATE_TRACE_RATIO },
    bodyLimitBytes: env.RISKGATE_BODY_LIMIT_BYTES,
    drainMs: env.RISKGATE_DRAIN_MS,
    alertRetentionDays: env.RISKGATE_ALERT_RETENTION_DAYS,
    predictionRetentionDays: env.RISKGATE_PREDICTION_RETENTION_DAYS,
    releaseApproval: env.RISKGATE_RELEASE_APPROVAL,
    webhooksMayBePrivate: env.RISKGATE_WEBHOOK_ALLOW_PRIVATE,
    webhookPrivateNetworks: env.RISKGATE_WEBHOOK_PRIVATE_NETWORKS,
    webhookRetryAfterSeconds: env.RISKGATE_WEBHOOK_RETRY_AFTER_SECONDS,
    webhookAttempts: env.RISKGATE_WEBHOOK_ATTEMPTS,
    webhookRetrySeconds: env.RISKGATE_WEBHOOK_RETRY_SECONDS,
    mlflow: followedMlflow(env),
  }
}

/** DATABASE_URL alone, for a command that needs nothing else. @throws ConfigError where it is not set or not usable */
export function loadDatabaseUrl(variables: NodeJS.ProcessEnv = process.env): string {
  const { env, problems } = readSettings(variables, ['DATABASE_URL'])
  if (problems.length > 0) throw new ConfigError(problems)
  return required(env.DATABASE_URL)
}

/** What the work of the owner of the tables needs. @throws ConfigError where it is not set or not usable */
export function loadUpkeepConfig(
  variables: NodeJS.ProcessEnv = process.env,
): Pick<Config, 'predictionRetentionDays'> & { readonly databaseUrl: string } {
  const retention = ['RISKGATE_ALERT_RETENTION_DAYS', 'RISKGATE_PREDICTION_RETENTION_DAYS'] as const
  const { env, problems } = readSettings(variables, ['DATABASE_URL', ...retention])
  const all = PREDICTIONS_BEFORE_ALERTS.applies({ env }) ? [...problems, PREDICTIONS_BEFORE_ALERTS.problem] : problems
  if (all.length > 0) throw new ConfigError(all)
  return { databaseUrl: required(env.DATABASE_URL), predictionRetentionDays: env.RISKGATE_PREDICTION_RETENTION_DAYS }
}

/** What the checks of a model version may use, for a command that needs no others. @throws ConfigError where it is not usable */
export function loadAdmissionLimits(variables: NodeJS.ProcessEnv = process.env): Config['admission'] {
  const { env, problems } = readSettings(variables, ['RISKGATE_ADMISSION_SECONDS', 'RISKGATE_ADMISSION_MEMORY_MIB'])
  const { RISKGATE_ADMISSION_SECONDS: seconds, RISKGATE_ADMISSION_MEMORY_MIB: memoryMib } = env
  if (seconds === undefined || memoryMib === undefined) throw new ConfigError(problems)
  return { seconds, memoryMib }
}

function required(databaseUrl: string | undefined): string {
  if (databaseUrl === undefined) throw new ConfigError(['DATABASE_URL must be set.'])
  return databaseUrl
}

/** Each setting with its value in effect, defaults included; secrets are shown without their values. @throws ConfigError */
export function shownSettings(variables: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  const { env, development } = checked(variables)
  const shown = Object.entries({ ...env, RISKGATE_DEVELOPMENT: development }).map(([key, value]) => [key, shownValue(key, value)])
  return Object.fromEntries(shown)
}

function shownValue(key: string, value: unknown): string {
  if (value === undefined) return ''
  if (isSecret(key)) return '(secret)'
  if (value instanceof Map) return [...value].map(pair => pair.join('=')).join(',')
  // Some issuers need a query parameter, which may be a key.
  return key === 'RISKGATE_JWKS_URL' ? String(value).replace(/[?#].*$/s, '?(hidden)') : String(value)
}

function checked(variables: NodeJS.ProcessEnv): Environment {
  const read = readEnvironment(variables)
  if ('problems' in read) throw new ConfigError(read.problems)
  return read
}

function urlOf(text: string | undefined): URL | undefined {
  return text === undefined ? undefined : new URL(text)
}

function redisOf(text: string | undefined, caFile: string | undefined): Config['redis'] {
  const place = text === undefined ? undefined : parseRedisUrl(text)
  // A text with a problem has been refused.
  return place === undefined || typeof place === 'string' ? undefined : { ...place, caFile: caFile && resolve(caFile) }
}

function bytesOf(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : Buffer.from(text)
}
