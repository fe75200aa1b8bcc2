import { isIP } from 'node:net'
import { z } from 'zod'
import { isName, ROLES } from '../auth/principal.js'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm } from '../auth/verificationKey.js'

const MIN_SECRET_BYTES = 32

const text = z.string()
const flag = z.enum(['true', 'false'], 'must be true or false').transform(value => value === 'true')

const wholeNumber = (minimum: number, maximum: number) =>
  text
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine(value => value >= minimum && value <= maximum, `must be between ${minimum} and ${maximum}`)

const url = (...protocols: string[]) =>
  text.refine(
    value => URL.canParse(value) && protocols.includes(new URL(value).protocol),
    `must be a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`,
  )

const server = (...protocols: string[]) => url(...protocols).refine(isDecodable, 'must be a URL in which % is written as %25')

const list = (isEntry: (entry: string) => boolean, entries: string) =>
  text
    .transform(value => value.split(',').map(entry => entry.trim()))
    .refine(values => values.every(isEntry), `must be ${entries}, with commas between them`)

/** `name=value,name=value` as a map. */
const mapping = <Value extends string>(isValue: (value: string) => value is Value, values: string) =>
  text
    .transform(value => value.split(',').map(entry => entry.split('=').map(side => side.trim())))
    .refine(
      pairs => pairs.every(([name, value, ...rest]) => name && isValue(value ?? '') && rest.length === 0),
      `must be pairs of a claim's value and ${values}, such as a=b,c=d`,
    )
    .refine(pairs => new Set(pairs.map(([name]) => name)).size === pairs.length, "must name each of a claim's values only once")
    .transform((pairs): ReadonlyMap<string, Value> => new Map(pairs as [string, Value][]))

const secret = text.refine(
  value => Buffer.byteLength(value) >= MIN_SECRET_BYTES,
  `must be at least ${MIN_SECRET_BYTES} bytes long`,
)
const isOneOf =
  <Value extends string>(values: readonly Value[]) =>
  (value: string): value is Value =>
    (values as readonly string[]).includes(value)

/** Every setting, by its environment variable. */
export const settings = z.object({
  NODE_ENV: text.optional(),
  DATABASE_URL: server('postgres:', 'postgresql:').optional(),
  REDIS_URL: server('redis:', 'rediss:').optional(),
  RISKGATE_DEVELOPMENT: flag.optional(),
  RISKGATE_HOST: text.default('127.0.0.1'),
  RISKGATE_PORT: wholeNumber(0, 65_535).default(4_000),
  RISKGATE_STATE_DIR: text.default('.riskgate'),
  RISKGATE_MODELS_DIR: text.default('models'),
  RISKGATE_DATABASE_POOL_SIZE: wholeNumber(4, 100).default(10),
  RISKGATE_MIGRATE_AT_START: flag.default(true),
  RISKGATE_JWT_SECRET: secret.optional(),
  RISKGATE_JWT_PREVIOUS_SECRET: secret.optional(),
  RISKGATE_JWKS_URL: url('https:', 'http:').refine(hasNoUser, 'must not contain a user name or password').optional(),
  RISKGATE_JWT_ALGORITHMS: list(isOneOf(SIGNATURE_ALGORITHMS), `one or more of ${SIGNATURE_ALGORITHMS.join(', ')}`)
    .transform(names => names as SignatureAlgorithm[])
    .default(['RS256', 'PS256', 'ES256', 'EdDSA']),
  RISKGATE_JWT_ISSUER: text.default('riskgate'),
  RISKGATE_JWT_AUDIENCE: text.default('riskgate'),
  RISKGATE_JWT_ROLES_CLAIM: text.default('roles'),
  RISKGATE_JWT_ROLE_MAP: mapping(isOneOf(ROLES), `a role (${ROLES.join(', ')})`).optional(),
  RISKGATE_JWT_TENANT_CLAIM: text.default('tenant'),
  RISKGATE_JWT_TENANT_MAP: mapping(isName, 'a tenant (1 to 128 ASCII characters without spaces)').optional(),
  RISKGATE_TLS_CERT_FILE: text.optional(),
  RISKGATE_TLS_KEY_FILE: text.optional(),
  // Longer than load balancers keep their connections (60 s for most). Otherwise they would send a request into a connection that
  // is just closing.
  RISKGATE_KEEP_ALIVE_SECONDS: wholeNumber(1, 3_600).default(72),
  RISKGATE_TRUSTED_PROXIES: list(isAddressRange, 'IP addresses or ranges such as 10.0.0.0/8').default([]),
  RISKGATE_CORS_ORIGINS: list(isOrigin, 'origins such as https://desk.example').default([]),
  RISKGATE_TRUSTED_DOCUMENTS: text.optional(),
  RISKGATE_RATE_LIMIT_PRINCIPAL: wholeNumber(0, 100_000_000).optional(),
  RISKGATE_RATE_LIMIT_TENANT: wholeNumber(0, 100_000_000).optional(),
  RISKGATE_RATE_LIMIT_ADDRESS: wholeNumber(0, 1_000_000).default(600),
  RISKGATE_MAX_STREAMS: wholeNumber(1, 100_000).default(2_000),
  RISKGATE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  RISKGATE_LOG_SUCCESSES_PER_SECOND: wholeNumber(0, 1_000_000).default(0),
  RISKGATE_LOG_SLOW_MS: wholeNumber(1, 60_000).default(250),
  OTEL_EXPORTER_OTLP_ENDPOINT: url('http:', 'https:').refine(hasNoUser, 'must not contain a user name or password').optional(),
  RISKGATE_TRACE_RATIO: text
    .regex(/^(0|1|0\.\d{1,6})$/, 'must be a number from 0 to 1, such as 0.05')
    .transform(Number)
    .default(0.1),
  RISKGATE_BODY_LIMIT_BYTES: wholeNumber(1_024, 64 * 1024 * 1024).default(1024 * 1024),
  RISKGATE_DRAIN_MS: wholeNumber(0, 60_000).default(700),
  RISKGATE_ALERT_RETENTION_DAYS: wholeNumber(7, 3_650).default(30),
  RISKGATE_PREDICTION_RETENTION_DAYS: wholeNumber(7, 36_500).optional(),
  RISKGATE_WEBHOOK_ALLOW_PRIVATE: flag.default(false),
  RISKGATE_WEBHOOK_ATTEMPTS: wholeNumber(1, 20).default(12),
  RISKGATE_WEBHOOK_RETRY_SECONDS: wholeNumber(1, 3_600).default(5),
})

export type Settings = z.infer<typeof settings>

/** Settings that are never shown, and may also come from the file that `<name>_FILE` names. */
export const SECRETS = ['DATABASE_URL', 'REDIS_URL', 'RISKGATE_JWT_SECRET', 'RISKGATE_JWT_PREVIOUS_SECRET'] as const

function isAddressRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** Drivers decode passwords, and fail on a `%` that is not encoded. */
function isDecodable(value: string): boolean {
  try {
    return decodeURIComponent(value) !== ''
  } catch {
    return false
  }
}

/** No request can be made to a URL with a user name or password. */
function hasNoUser(value: string): boolean {
  return !URL.canParse(value) || (new URL(value).username === '' && new URL(value).password === '')
}

function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value
}
