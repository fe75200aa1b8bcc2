import { resolve } from 'node:path'
import { z } from 'zod'

const PREFIX = 'RISKGATE_'
const MIN_SECRET_BYTES = 32

/** Everything that can be set from outside, checked and typed. */
export interface Config {
  readonly production: boolean
  readonly host: string
  readonly port: number
  /** Where an embedded Postgres and the development key live. */
  readonly stateDirectory: string
  readonly modelsDirectory: string
  /** Absent: riskgate starts its own PostgreSQL in the state directory. */
  readonly databaseUrl: string | undefined
  readonly databasePoolSize: number
  /** Absent: cache and alert hints stay within this process. */
  readonly redisUrl: string | undefined
  readonly jwtSecret: Uint8Array | undefined
  readonly jwtIssuer: string
  readonly jwtAudience: string
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

const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine(value => value >= minimum && value <= maximum, `must be between ${minimum} and ${maximum}`)

const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      `must be a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`,
    )

const environment = z.object({
  NODE_ENV: z.string().optional(),
  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  REDIS_URL: url('redis:', 'rediss:').optional(),
  RISKGATE_HOST: z.string().default('127.0.0.1'),
  RISKGATE_PORT: wholeNumber(0, 65_535).default(4_000),
  RISKGATE_STATE_DIR: z.string().default('.riskgate'),
  RISKGATE_MODELS_DIR: z.string().default('models'),
  RISKGATE_DATABASE_POOL_SIZE: wholeNumber(4, 100).default(10),
  RISKGATE_JWT_SECRET: z
    .string()
    .refine(value => Buffer.byteLength(value) >= MIN_SECRET_BYTES, `must be at least ${MIN_SECRET_BYTES} bytes long`)
    .optional(),
  RISKGATE_JWT_ISSUER: z.string().default('riskgate'),
  RISKGATE_JWT_AUDIENCE: z.string().default('riskgate'),
  RISKGATE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  RISKGATE_BODY_LIMIT_BYTES: wholeNumber(1_024, 64 * 1024 * 1024).default(1024 * 1024),
  RISKGATE_DRAIN_MS: wholeNumber(0, 60_000).default(700),
  RISKGATE_ALERT_RETENTION_DAYS: wholeNumber(7, 3_650).default(30),
  RISKGATE_PREDICTION_RETENTION_DAYS: wholeNumber(7, 36_500).optional(),
  RISKGATE_WEBHOOK_ALLOW_PRIVATE: z.enum(['true', 'false'], 'must be true or false').default('false'),
  RISKGATE_WEBHOOK_ATTEMPTS: wholeNumber(1, 20).default(12),
  RISKGATE_WEBHOOK_RETRY_SECONDS: wholeNumber(1, 3_600).default(5),
})

/** Reads the configuration from environment variables; an empty one counts as not set. Throws ConfigError. */
export function loadConfig(variables: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = environment.safeParse(given)
  const production = given.NODE_ENV === 'production'
  const problems = [
    ...unknownKeys(given),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}.`),
    ...(production ? missingInProduction(given) : []),
    ...(parsed.success ? contradictions(parsed.data) : []),
  ]
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)
  const env = parsed.data
  return {
    production,
    host: env.RISKGATE_HOST,
    port: env.RISKGATE_PORT,
    stateDirectory: resolve(env.RISKGATE_STATE_DIR),
    modelsDirectory: resolve(env.RISKGATE_MODELS_DIR),
    databaseUrl: env.DATABASE_URL,
    databasePoolSize: env.RISKGATE_DATABASE_POOL_SIZE,
    redisUrl: env.REDIS_URL,
    jwtSecret: env.RISKGATE_JWT_SECRET === undefined ? undefined : Buffer.from(env.RISKGATE_JWT_SECRET),
    jwtIssuer: env.RISKGATE_JWT_ISSUER,
    jwtAudience: env.RISKGATE_JWT_AUDIENCE,
    logLevel: env.RISKGATE_LOG_LEVEL,
    bodyLimitBytes: env.RISKGATE_BODY_LIMIT_BYTES,
    drainMs: env.RISKGATE_DRAIN_MS,
    alertRetentionDays: env.RISKGATE_ALERT_RETENTION_DAYS,
    predictionRetentionDays: env.RISKGATE_PREDICTION_RETENTION_DAYS,
    webhooksMayBePrivate: env.RISKGATE_WEBHOOK_ALLOW_PRIVATE === 'true',
    webhookAttempts: env.RISKGATE_WEBHOOK_ATTEMPTS,
    webhookRetrySeconds: env.RISKGATE_WEBHOOK_RETRY_SECONDS,
  }
}

function unknownKeys(given: Record<string, unknown>): string[] {
  const known = Object.keys(environment.shape)
  return Object.keys(given)
    .filter(key => key.startsWith(PREFIX) && !known.includes(key))
    .map(key => `${key} is not a setting of riskgate.`)
}

/** An alert without its prediction would be a gap in the feed. */
function contradictions({
  RISKGATE_ALERT_RETENTION_DAYS: alertDays,
  RISKGATE_PREDICTION_RETENTION_DAYS: predictionDays,
}: z.infer<typeof environment>): string[] {
  if (predictionDays === undefined || predictionDays >= alertDays) return []
  return ['RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.']
}

function missingInProduction(given: Record<string, unknown>): string[] {
  return ['DATABASE_URL', 'RISKGATE_JWT_SECRET']
    .filter(key => given[key] === undefined)
    .map(key => `${key} must be set when NODE_ENV is production.`)
}
