import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config.js'

const SECRET = 's'.repeat(32)
const CANARY = 'canary-7391'

function problemsOf(variables: Record<string, string>): readonly string[] {
  try {
    loadConfig(variables)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('needs nothing', () => {
    expect(loadConfig({})).toEqual({
      development: true,
      host: '127.0.0.1',
      port: 4000,
      stateDirectory: resolve('.riskgate'),
      modelsDirectory: resolve('models'),
      databaseUrl: undefined,
      databasePoolSize: 10,
      redisUrl: undefined,
      jwt: {
        secret: undefined,
        previousSecret: undefined,
        jwksUrl: undefined,
        algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        issuer: 'riskgate',
        audience: 'riskgate',
        rolesClaim: 'roles',
        roleMap: undefined,
        tenantClaim: 'tenant',
        tenantMap: undefined,
      },
      tls: undefined,
      trustedProxies: [],
      corsOrigins: [],
      trustedDocumentsFile: undefined,
      rateLimits: { principal: 0, tenant: 0, address: 600 },
      maxStreams: 2_000,
      logLevel: 'info',
      bodyLimitBytes: 1_048_576,
      drainMs: 700,
      alertRetentionDays: 30,
      predictionRetentionDays: undefined,
      webhooksMayBePrivate: false,
      webhookAttempts: 12,
      webhookRetrySeconds: 5,
    })
  })

  it('takes every setting', () => {
    const config = loadConfig({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://db/riskgate',
      REDIS_URL: 'rediss://cache:6380',
      RISKGATE_HOST: '0.0.0.0',
      RISKGATE_PORT: '0',
      RISKGATE_STATE_DIR: '/var/lib/riskgate',
      RISKGATE_MODELS_DIR: '/models',
      RISKGATE_DATABASE_POOL_SIZE: '4',
      RISKGATE_JWT_SECRET: SECRET,
      RISKGATE_JWT_ISSUER: 'https://login.example',
      RISKGATE_JWT_AUDIENCE: 'gateway',
      RISKGATE_LOG_LEVEL: 'silent',
      RISKGATE_BODY_LIMIT_BYTES: '2048',
      RISKGATE_DRAIN_MS: '0',
      RISKGATE_ALERT_RETENTION_DAYS: '7',
      RISKGATE_PREDICTION_RETENTION_DAYS: '7',
      RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
      RISKGATE_WEBHOOK_ATTEMPTS: '3',
      RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
    })
    expect(config).toMatchObject({ alertRetentionDays: 7, predictionRetentionDays: 7, webhooksMayBePrivate: true })
    expect(config).toMatchObject({ webhookAttempts: 3, webhookRetrySeconds: 1 })
    expect(config).toMatchObject({
      development: false,
      port: 0,
      databasePoolSize: 4,
      drainMs: 0,
      redisUrl: 'rediss://cache:6380',
    })
    expect(config.jwt.secret).toEqual(Buffer.from(SECRET))
  })

  it('refuses to forget predictions before their alerts', () => {
    expect(problemsOf({ RISKGATE_PREDICTION_RETENTION_DAYS: '29' })).toEqual([
      'RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.',
    ])
    expect(problemsOf({ RISKGATE_PREDICTION_RETENTION_DAYS: '30' })).toEqual([])
  })

  it('takes an empty value for one that is not set', () => {
    expect(loadConfig({ RISKGATE_PORT: '', DATABASE_URL: '', RISKGATE_JWT_SECRET: '' })).toEqual(loadConfig({}))
  })

  it('leaves alone what belongs to others', () => {
    expect(problemsOf({ PORT: 'x', PGHOST: 'x', RISKGATEX: 'x', NODE_ENV: 'anything' })).toEqual([])
  })

  it.each([
    ['RISKGATE_PORT', '65536', 'between 0 and 65535'],
    ['RISKGATE_PORT', '-1', 'whole number'],
    ['RISKGATE_PORT', '80.5', 'whole number'],
    ['RISKGATE_PORT', '0x50', 'whole number'],
    ['RISKGATE_PORT', ' 80', 'whole number'],
    ['RISKGATE_DATABASE_POOL_SIZE', '3', 'between 4 and 100'],
    ['RISKGATE_BODY_LIMIT_BYTES', '1023', 'between 1024'],
    ['RISKGATE_DRAIN_MS', '60001', 'between 0 and 60000'],
    ['RISKGATE_LOG_LEVEL', 'verbose', 'info'],
    ['DATABASE_URL', 'mysql://db', 'postgres://'],
    ['DATABASE_URL', 'localhost', 'postgres://'],
    ['REDIS_URL', 'http://cache', 'redis://'],
    ['RISKGATE_JWT_SECRET', 's'.repeat(31), 'at least 32 bytes'],
    ['RISKGATE_JWT_ROLE_MAP', 'desk=ANALYST,shop=SCORER,desk=ADMIN', 'only once'],
    ['RISKGATE_JWT_TENANT_MAP', 'a=north,b=the south', 'without spaces'],
    ['RISKGATE_JWT_SECERT', SECRET, 'is not a setting of riskgate'],
  ])('refuses %s=%j and says why', (key, value, why) => {
    const problems = problemsOf({ [key]: value })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^${key} `))
    expect(problems[0]).toContain(why)
  })

  it('counts the bytes of a secret, not its characters', () => {
    expect(problemsOf({ RISKGATE_JWT_SECRET: 'é'.repeat(16) })).toEqual([])
    expect(problemsOf({ RISKGATE_JWT_SECRET: 'é'.repeat(15) })).toHaveLength(1)
  })

  it('asks for keys and database in production', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([
      'DATABASE_URL must be set when NODE_ENV is production.',
      'RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set when NODE_ENV is production.',
    ])
    expect(problemsOf({ NODE_ENV: 'production', DATABASE_URL: 'postgresql://db', RISKGATE_JWT_SECRET: SECRET })).toEqual([])
  })

  it('reports every problem at once and repeats no value', () => {
    const problems = problemsOf({
      NODE_ENV: 'production',
      DATABASE_URL: CANARY,
      REDIS_URL: CANARY,
      RISKGATE_PORT: CANARY,
      RISKGATE_LOG_LEVEL: CANARY,
      RISKGATE_JWT_SECRET: CANARY,
      RISKGATE_UNKNOWN: CANARY,
    })
    expect(problems.map(problem => problem.split(' ')[0]).sort()).toEqual([
      'DATABASE_URL',
      'REDIS_URL',
      'RISKGATE_JWT_SECRET',
      'RISKGATE_LOG_LEVEL',
      'RISKGATE_PORT',
      'RISKGATE_UNKNOWN',
    ])
    expect(problems.join()).not.toContain(CANARY)
  })
})
