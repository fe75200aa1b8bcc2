import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadConfig, shownSettings } from '../../../src/config/config.js'
import { SECRETS, settings } from '../../../src/config/settings.js'
import { ConfigError } from '../../../src/errors.js'
import { testFolder } from '../../support/folder.js'

const SECRET = 's'.repeat(32)
const CANARY = 'canary-7391'
/** What a secret must be set with. */
const PARTNERS: Readonly<Record<string, Record<string, string>>> = {
  RISKGATE_MLFLOW_PASSWORD: { RISKGATE_MLFLOW_USER: 'riskgate' },
  RISKGATE_MLFLOW_WEBHOOK_SECRET: { RISKGATE_MLFLOW_URL: 'https://ml.example', RISKGATE_MLFLOW_MODELS: 'loans' },
}

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
  it('has a default for every setting', () => {
    expect(loadConfig({})).toEqual({
      development: true,
      host: '127.0.0.1',
      port: 4000,
      stateDirectory: resolve('.riskgate'),
      modelsDirectory: resolve('models'),
      admission: { seconds: 60, memoryMib: 2_048 },
      releaseKey: undefined,
      releaseApproval: false,
      mlflow: undefined,
      databaseUrl: undefined,
      databasePoolSize: 10,
      mayMigrate: true,
      fullPageWritesMayBeOff: false,
      redis: undefined,
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
      keepAliveMs: 72_000,
      trustedProxies: [],
      forwardedHeader: 'x-forwarded-for',
      corsOrigins: [],
      trustedDocumentsFile: undefined,
      rateLimits: { principal: 0, tenant: 0, address: 600 },
      maxStreams: 2_000,
      logLevel: 'info',
      requestLog: { successesPerSecond: 0, slowMs: 250 },
      traces: { endpoint: undefined, ratio: 0.1 },
      bodyLimitBytes: 1_048_576,
      drainMs: 700,
      alertRetentionDays: 30,
      predictionRetentionDays: undefined,
      webhooksMayBePrivate: false,
      webhookPrivateNetworks: [],
      webhookRetryAfterSeconds: 3_600,
      webhookAttempts: 12,
      webhookRetrySeconds: 5,
    })
  })

  it('reads every setting', () => {
    const config = loadConfig({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://db/riskgate',
      REDIS_URL: 'rediss://cache:6380',
      RISKGATE_HOST: '0.0.0.0',
      RISKGATE_PORT: '0',
      RISKGATE_STATE_DIR: '/var/lib/riskgate',
      RISKGATE_MODELS_DIR: '/models',
      RISKGATE_DATABASE_POOL_SIZE: '4',
      RISKGATE_MIGRATE_AT_START: 'false',
      RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF: 'true',
      RISKGATE_KEEP_ALIVE_SECONDS: '620',
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
      RISKGATE_WEBHOOK_RETRY_AFTER_SECONDS: '60',
      RISKGATE_FORWARDED_HEADER: 'forwarded',
      RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
      RISKGATE_ADMISSION_SECONDS: '5',
      RISKGATE_ADMISSION_MEMORY_MIB: '512',
      RISKGATE_RELEASE_KEY: SECRET,
    })
    expect(config).toMatchObject({ admission: { seconds: 5, memoryMib: 512 }, releaseKey: Buffer.from(SECRET) })
    expect(config).toMatchObject({ alertRetentionDays: 7, predictionRetentionDays: 7, webhooksMayBePrivate: true })
    expect(config).toMatchObject({ webhookAttempts: 3, webhookRetrySeconds: 1, webhookRetryAfterSeconds: 60 })
    expect(config.forwardedHeader).toBe('forwarded')
    const { webhookPrivateNetworks } = loadConfig({ RISKGATE_WEBHOOK_PRIVATE_NETWORKS: '10.0.0.0/8, fd12::/16, 0.0.0.0/0' })
    expect(webhookPrivateNetworks).toEqual(['10.0.0.0/8', 'fd12::/16', '0.0.0.0/0'])
    expect(config).toMatchObject({
      development: false,
      port: 0,
      databasePoolSize: 4,
      mayMigrate: false,
      fullPageWritesMayBeOff: true,
      keepAliveMs: 620_000,
      drainMs: 0,
      redis: { kind: 'server', nodes: [{ host: 'cache', port: 6380 }], database: 0, isEncrypted: true },
    })
    expect(config.jwt.secret).toEqual(Buffer.from(SECRET))
  })

  it('refuses two ways to allow private networks for webhooks, and a file of authorities without TLS', () => {
    const both = { RISKGATE_WEBHOOK_PRIVATE_NETWORKS: '10.0.0.0/8', RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true' }
    expect(problemsOf(both)).toEqual([expect.stringContaining('must not be set when RISKGATE_WEBHOOK_ALLOW_PRIVATE is true')])
    expect(problemsOf({ RISKGATE_REDIS_CA_FILE: 'ca.pem', REDIS_URL: 'redis://cache' })).toHaveLength(1)
    expect(problemsOf({ RISKGATE_REDIS_CA_FILE: 'ca.pem', REDIS_URL: 'rediss+sentinel://a/scores' })).toEqual([])
  })

  it('refuses to delete predictions before their alerts', () => {
    expect(problemsOf({ RISKGATE_PREDICTION_RETENTION_DAYS: '29' })).toEqual([
      'RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.',
    ])
    expect(problemsOf({ RISKGATE_PREDICTION_RETENTION_DAYS: '30' })).toEqual([])
  })

  it('treats an empty setting as unset', () => {
    expect(loadConfig({ RISKGATE_PORT: '', DATABASE_URL: '', RISKGATE_JWT_SECRET: '' })).toEqual(loadConfig({}))
  })

  it('ignores variables of other programs', () => {
    expect(problemsOf({ PORT: 'x', PGHOST: 'x', RISKGATEX: 'x', NODE_ENV: 'anything' })).toEqual([])
  })

  it.each([
    ['RISKGATE_PORT', '65536', 'between 0 and 65535'],
    ['RISKGATE_PORT', '-1', 'whole number'],
    ['RISKGATE_PORT', '80.5', 'whole number'],
    ['RISKGATE_PORT', '0x50', 'whole number'],
    ['RISKGATE_PORT', ' 80', 'whole number'],
    ['RISKGATE_DATABASE_POOL_SIZE', '3', 'between 4 and 100'],
    ['RISKGATE_MIGRATE_AT_START', 'yes', 'true or false'],
    ['RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF', 'off', 'true or false'],
    ['RISKGATE_KEEP_ALIVE_SECONDS', '0', 'between 1 and 3600'],
    ['RISKGATE_BODY_LIMIT_BYTES', '1023', 'between 1024'],
    ['RISKGATE_DRAIN_MS', '60001', 'between 0 and 60000'],
    ['RISKGATE_LOG_LEVEL', 'verbose', 'info'],
    ['DATABASE_URL', 'mysql://db', 'postgres://'],
    ['DATABASE_URL', 'localhost', 'postgres://'],
    ['DATABASE_URL', `postgres://user:${CANARY}%@db/x`, 'in which % is written as %25'],
    ['REDIS_URL', `redis://:${CANARY}%zz@cache`, 'in which % is written as %25'],
    ['REDIS_URL', 'http://cache', 'redis://'],
    ['RISKGATE_JWT_SECRET', 's'.repeat(31), 'at least 32 bytes'],
    ['RISKGATE_JWT_ROLE_MAP', 'desk=ANALYST,shop=SCORER,desk=ADMIN', 'only once'],
    ['RISKGATE_JWT_TENANT_MAP', 'a=north,b=the south', 'without spaces'],
    ['RISKGATE_JWT_SECERT', SECRET, 'is not a setting of riskgate'],
    ['RISKGATE_JWT_ISSUER_FILE', '/run/issuer', 'is not a setting of riskgate'],
    ['RISKGATE_', 'x', 'is not a setting of riskgate'],
    ['RISKGATE_DEVELOPMENT', 'yes', 'must be true or false'],
    ['RISKGATE_DEVELOPMENT', 'TRUE', 'must be true or false'],
    ['RISKGATE_JWKS_URL', 'login.example/keys', 'https:// or http://'],
    ['RISKGATE_JWKS_URL', 'file:///etc/keys.json', 'https:// or http://'],
    ['RISKGATE_JWKS_URL', 'http://login.example/keys', 'https:// unless it is on this machine'],
    ['RISKGATE_JWKS_URL', 'HTTP://login.example/keys', 'https:// unless it is on this machine'],
    ['RISKGATE_JWKS_URL', 'http://127.0.0.1.login.example/keys', 'https:// unless it is on this machine'],
    ['RISKGATE_JWKS_URL', 'https://user:password@login.example/keys', 'a user name or password'],
    ['RISKGATE_JWT_ALGORITHMS', 'RS256,HS256', 'must be one or more of RS256'],
    ['RISKGATE_JWT_ALGORITHMS', 'none', 'must be one or more of RS256'],
    ['RISKGATE_JWT_ALGORITHMS', 'RS256,', 'must be one or more of RS256'],
    ['RISKGATE_JWT_ROLE_MAP', 'risk=ROOT', 'must be pairs'],
    ['RISKGATE_JWT_ROLE_MAP', 'risk', 'must be pairs'],
    ['RISKGATE_JWT_ROLE_MAP', '=ADMIN', 'must be pairs'],
    ['RISKGATE_JWT_ROLE_MAP', 'a=ADMIN=ADMIN', 'must be pairs'],
    ['RISKGATE_JWT_ROLE_MAP', 'risk=ADMIN,risk=SCORER', 'only once'],
    ['RISKGATE_JWT_TENANT_MAP', 'north=', 'must be pairs'],
    ['RISKGATE_JWT_TENANT_MAP', 'north=a,north=b', 'only once'],
    ['RISKGATE_JWT_PREVIOUS_SECRET', SECRET, 'must not be set without RISKGATE_JWT_SECRET'],
    ['RISKGATE_TRUSTED_PROXIES', '10.0.0.0/33', 'must be IP addresses or ranges'],
    ['RISKGATE_TRUSTED_PROXIES', '10.0.0.0/8/8', 'must be IP addresses or ranges'],
    ['RISKGATE_TRUSTED_PROXIES', 'proxy.example', 'must be IP addresses or ranges'],
    ['RISKGATE_TRUSTED_PROXIES', '10.0.0.1,,10.0.0.2', 'must be IP addresses or ranges'],
    ['RISKGATE_CORS_ORIGINS', '*', 'must be origins'],
    ['RISKGATE_CORS_ORIGINS', 'null', 'must be origins'],
    ['RISKGATE_CORS_ORIGINS', 'https://desk.example/', 'must be origins'],
    ['RISKGATE_CORS_ORIGINS', 'https://desk.example,desk.example', 'must be origins'],
    ['RISKGATE_TLS_CERT_FILE', 'cert.pem', 'RISKGATE_TLS_KEY_FILE must be set together'],
    ['RISKGATE_RATE_LIMIT_PRINCIPAL', '-1', 'whole number'],
    ['RISKGATE_RATE_LIMIT_TENANT', '100000001', 'between 0 and 100000000'],
    ['RISKGATE_RATE_LIMIT_ADDRESS', '1e3', 'whole number'],
    ['RISKGATE_MAX_STREAMS', '0', 'between 1 and 100000'],
    ['RISKGATE_LOG_SUCCESSES_PER_SECOND', '-1', 'a whole number'],
    ['RISKGATE_LOG_SLOW_MS', '0', 'between 1 and 60000'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'a URL that begins with http:// or https://'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:password@collector:4318', 'a user name or password'],
    ['RISKGATE_TRACE_RATIO', '1.5', 'a number from 0 to 1'],
    ['RISKGATE_ALERT_RETENTION_DAYS', '6', 'between 7 and 3650'],
    ['RISKGATE_PREDICTION_RETENTION_DAYS', '36501', 'between 7 and 36500'],
    ['RISKGATE_WEBHOOK_ALLOW_PRIVATE', '1', 'must be true or false'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', 'hooks.internal', 'must be IP addresses or ranges'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', '10.0.0.0/8,169.254.0.0/16', 'must not name a network of link-local or metadata'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', 'fe80::/10', 'must not name a network of link-local or metadata'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', 'fe80::1:0:0/96', 'must not name a network of link-local or metadata'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', '::ffff:169.254.1.0/120', 'must not name a network of link-local or metadata'],
    ['RISKGATE_WEBHOOK_PRIVATE_NETWORKS', '168.63.129.16', 'must not name a network of link-local or metadata'],
    ['RISKGATE_WEBHOOK_RETRY_AFTER_SECONDS', '86401', 'between 0 and 86400'],
    ['RISKGATE_FORWARDED_HEADER', 'both', 'must be x-forwarded-for or forwarded'],
    ['RISKGATE_REDIS_CA_FILE', '/ca.pem', 'needs a REDIS_URL that begins with rediss://'],
    ['REDIS_URL', 'redis://a,b/1', 'names a database of a cluster'],
    ['REDIS_URL', `redis+sentinel://:${CANARY}@a`, 'name that the Sentinels give the master'],
    ['RISKGATE_WEBHOOK_ATTEMPTS', '0', 'between 1 and 20'],
    ['RISKGATE_MLFLOW_URL', 'mlflow:5000', 'a URL that begins with https:// or http://'],
    ['RISKGATE_MLFLOW_URL', 'https://user:password@mlflow', 'a user name or password'],
    ['RISKGATE_MLFLOW_TOKEN', `${CANARY}\nX-Evil: 1`, 'must be ASCII characters without spaces'],
    ['RISKGATE_MLFLOW_USER', 'rg', 'and RISKGATE_MLFLOW_PASSWORD must be set together'],
    ['RISKGATE_MLFLOW_MODELS', 'loans,', 'must be names of registered models, each perhaps with its alias as name@alias'],
    ['RISKGATE_MLFLOW_MODELS', 'loans', 'needs RISKGATE_MLFLOW_URL'],
    ['RISKGATE_MLFLOW_ALIAS', 'a b', 'must be the name of an alias'],
    ['RISKGATE_MLFLOW_ALIAS_EFFECT', 'both', 'must be decides or proposes'],
    ['RISKGATE_MLFLOW_POLL_SECONDS', '0', 'between 1 and 3600'],
    ['RISKGATE_MLFLOW_WEBHOOK_SECRET', SECRET, 'must not be set without RISKGATE_MLFLOW_MODELS'],
    ['RISKGATE_MLFLOW_MAX_MEGABYTES', '10241', 'between 1 and 10240'],
    ['RISKGATE_MLFLOW_DOWNLOAD_SECONDS', '7201', 'between 1 and 7200'],
    ['RISKGATE_WEBHOOK_RETRY_SECONDS', '3601', 'between 1 and 3600'],
    ['RISKGATE_ADMISSION_SECONDS', '0', 'between 1 and 3600'],
    ['RISKGATE_ADMISSION_MEMORY_MIB', '255', 'between 256 and 1048576'],
    ['RISKGATE_RELEASE_KEY', 'short', 'at least 32 bytes'],
  ])('refuses %s=%j and says why', (key, value, why) => {
    const problems = problemsOf({ [key]: value })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/\.$/)
    expect(problems[0]).toMatch(new RegExp(`^${key} `))
    expect(problems[0]).toContain(why)
  })

  it('counts the bytes of a secret, not its characters', () => {
    expect(problemsOf({ RISKGATE_JWT_SECRET: 'é'.repeat(16) })).toEqual([])
    expect(problemsOf({ RISKGATE_JWT_SECRET: 'é'.repeat(15) })).toHaveLength(1)
  })

  it('requires a key and a database in production', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([
      'DATABASE_URL must be set when NODE_ENV is production.',
      'RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set when NODE_ENV is production.',
    ])
    expect(problemsOf({ NODE_ENV: 'production', DATABASE_URL: 'postgresql://db', RISKGATE_JWT_SECRET: SECRET })).toEqual([])
  })

  it('reports every problem at once, and repeats no value', () => {
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

  it('repeats no value of any setting', () => {
    for (const key of Object.keys(settings.shape)) {
      for (const value of [CANARY, `https://${CANARY}`, `${CANARY}=${CANARY}`, `http://${CANARY}:${CANARY}@${CANARY}/`])
        expect(problemsOf({ [key]: value }).join()).not.toContain(CANARY)
    }
  })

  it('reports contradictions between settings together with wrong settings', () => {
    const wrong = {
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://db/riskgate',
      RISKGATE_DEVELOPMENT: 'true',
      RISKGATE_PORT: 'x',
      RISKGATE_JWT_PREVIOUS_SECRET: SECRET,
      RISKGATE_JWKS_URL: 'http://login.example/keys',
      RISKGATE_TLS_KEY_FILE: 'key.pem',
      RISKGATE_PREDICTION_RETENTION_DAYS: '8',
      RISKGATE_ALERT_RETENTION_DAYS: '9',
    }
    expect(problemsOf(wrong)).toEqual([
      'RISKGATE_PORT must be a whole number.',
      'RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.',
      'RISKGATE_DEVELOPMENT must not be true when NODE_ENV is production.',
      'RISKGATE_JWT_PREVIOUS_SECRET must not be set without RISKGATE_JWT_SECRET.',
      'RISKGATE_JWKS_URL must begin with https:// unless it is on this machine.',
      'RISKGATE_TLS_CERT_FILE and RISKGATE_TLS_KEY_FILE must be set together.',
    ])
  })

  it('reports no contradiction with a setting that is itself wrong', () => {
    const problems = problemsOf({
      RISKGATE_JWT_SECRET: 'short',
      RISKGATE_JWT_PREVIOUS_SECRET: SECRET,
      RISKGATE_ALERT_RETENTION_DAYS: 'x',
      RISKGATE_PREDICTION_RETENTION_DAYS: '7',
    })
    expect(problems.map(problem => problem.split(' ')[0])).toEqual(['RISKGATE_JWT_SECRET', 'RISKGATE_ALERT_RETENTION_DAYS'])
  })

  it('splits lists and maps at commas, and ignores the spaces around them', () => {
    const { jwt, trustedProxies, corsOrigins } = loadConfig({
      RISKGATE_JWKS_URL: 'http://[::1]:8080/keys',
      RISKGATE_JWT_ALGORITHMS: 'ES256, EdDSA',
      RISKGATE_JWT_ROLE_MAP: 'risk-desk = ANALYST , admins=ADMIN',
      RISKGATE_JWT_TENANT_MAP: 'org-1=north',
      RISKGATE_TRUSTED_PROXIES: '10.0.0.0/8, ::1, 192.168.0.7',
      RISKGATE_CORS_ORIGINS: 'https://desk.example,http://localhost:5173',
    })
    expect(jwt.jwksUrl?.href).toBe('http://[::1]:8080/keys')
    expect(jwt.algorithms).toEqual(['ES256', 'EdDSA'])
    expect([...(jwt.roleMap ?? [])]).toEqual([
      ['risk-desk', 'ANALYST'],
      ['admins', 'ADMIN'],
    ])
    expect([...(jwt.tenantMap ?? [])]).toEqual([['org-1', 'north']])
    expect(trustedProxies).toEqual(['10.0.0.0/8', '::1', '192.168.0.7'])
    expect(corsOrigins).toEqual(['https://desk.example', 'http://localhost:5173'])
  })
})

describe('development', () => {
  const KEYS = { none: {}, secret: { RISKGATE_JWT_SECRET: SECRET }, issuer: { RISKGATE_JWKS_URL: 'https://login.example/keys' } }
  const HOSTS = {
    unset: {},
    loopback: { RISKGATE_HOST: '127.0.0.1' },
    'another loopback': { RISKGATE_HOST: '127.8.8.8' },
    'loopback of IPv6': { RISKGATE_HOST: '::1' },
    localhost: { RISKGATE_HOST: 'localhost' },
    'all addresses': { RISKGATE_HOST: '0.0.0.0' },
    'all addresses of IPv6': { RISKGATE_HOST: '::' },
    'a network': { RISKGATE_HOST: '10.0.0.5' },
    'a name like loopback': { RISKGATE_HOST: '127.0.0.1.example' },
  }
  const SWITCHES = { unset: {}, on: { RISKGATE_DEVELOPMENT: 'true' }, off: { RISKGATE_DEVELOPMENT: 'false' } }
  const NODE = { unset: {}, development: { NODE_ENV: 'development' }, production: { NODE_ENV: 'production' } }
  const isLoopback = (host: keyof typeof HOSTS) => !/addresses|network|name/.test(host)

  const keysOf = <T extends object>(of: T) => Object.keys(of) as (keyof T)[]
  const combinations = keysOf(KEYS).flatMap(key =>
    keysOf(SWITCHES).flatMap(on => keysOf(NODE).map(node => [key, on, node] as const)),
  )

  it.each(combinations)(
    'is on, off or refused by the same rule on every host, with key %s, switch %s and NODE_ENV %s',
    (key, on, node) => {
      for (const host of keysOf(HOSTS)) {
        const variables = { DATABASE_URL: 'postgres://db/x', ...KEYS[key], ...HOSTS[host], ...SWITCHES[on], ...NODE[node] }
        const isProduction = node === 'production'
        // RISKGATE_DEVELOPMENT decides. If it is unset, only a start without a key, on loopback and not in production, is development.
        const isDevelopment = on === 'unset' ? !isProduction && key === 'none' && isLoopback(host) : on === 'on'
        const problems = problemsOf(variables)
        if (isProduction && on === 'on') {
          expect({ host, problems }).toEqual({
            host,
            problems: ['RISKGATE_DEVELOPMENT must not be true when NODE_ENV is production.'],
          })
        } else if (key === 'none' && !isDevelopment) {
          const wanted = /^RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL must be set .+\.$/
          expect({ host, problems }).toEqual({ host, problems: [expect.stringMatching(wanted)] })
        } else {
          expect({ host, problems }).toEqual({ host, problems: [] })
          const { development, rateLimits } = loadConfig(variables)
          expect({ host, development }).toEqual({ host, development: isDevelopment })
          const limits = isDevelopment ? { principal: 0, tenant: 0 } : { principal: 100_000, tenant: 200_000 }
          expect(rateLimits).toEqual({ ...limits, address: 600 })
        }
      }
    },
  )

  it('says why a key is required', () => {
    const why = (variables: Record<string, string>) => problemsOf(variables).join()
    expect(why({ RISKGATE_HOST: '0.0.0.0' })).toContain(
      'unless riskgate serves this machine alone or RISKGATE_DEVELOPMENT is true',
    )
    expect(why({ RISKGATE_DEVELOPMENT: 'false' })).toContain('unless RISKGATE_DEVELOPMENT is true')
    expect(why({ NODE_ENV: 'production', DATABASE_URL: 'postgres://x' })).toContain('when NODE_ENV is production')
  })

  it('does not change rate limits that are set', () => {
    const set = { RISKGATE_RATE_LIMIT_PRINCIPAL: '5', RISKGATE_RATE_LIMIT_TENANT: '6', RISKGATE_RATE_LIMIT_ADDRESS: '7' }
    for (const variables of [set, { ...set, RISKGATE_JWT_SECRET: SECRET }])
      expect(loadConfig(variables).rateLimits).toEqual({ principal: 5, tenant: 6, address: 7 })
  })
})

describe('a secret from a file', () => {
  const directory = testFolder('secrets')
  let files = 0
  function fileOf(text: string | Buffer): string {
    const file = join(directory, `secret-${files++}`)
    writeFileSync(file, text)
    return file
  }

  it.each(['', '\n', '\r\n'])('is the text of the file without the line end %j', end => {
    const { jwt, databaseUrl, redis } = loadConfig({
      RISKGATE_JWT_SECRET_FILE: fileOf(`${SECRET}${end}`),
      RISKGATE_JWT_PREVIOUS_SECRET_FILE: fileOf(`${SECRET}2${end}`),
      DATABASE_URL_FILE: fileOf(`postgres://user:password@db/riskgate${end}`),
      REDIS_URL_FILE: fileOf(`redis://:password@cache${end}`),
    })
    expect(jwt.secret).toEqual(Buffer.from(SECRET))
    expect(jwt.previousSecret).toEqual(Buffer.from(`${SECRET}2`))
    expect({ databaseUrl, password: redis?.password }).toEqual({
      databaseUrl: 'postgres://user:password@db/riskgate',
      password: 'password',
    })
  })

  it('keeps spaces, and all line ends except the last', () => {
    const text = ` ${SECRET} \n\n`
    expect(loadConfig({ RISKGATE_JWT_SECRET_FILE: fileOf(text) }).jwt.secret).toEqual(Buffer.from(` ${SECRET} \n`))
  })

  it('counts as a key in production', () => {
    const variables = {
      NODE_ENV: 'production',
      DATABASE_URL_FILE: fileOf('postgres://db/x'),
      RISKGATE_JWT_SECRET_FILE: fileOf(SECRET),
    }
    expect(problemsOf(variables)).toEqual([])
    expect(loadConfig(variables).development).toBe(false)
  })

  it.each(SECRETS)('is refused if the setting itself is also set: %s', key => {
    const value = { DATABASE_URL: 'postgres://db/x', REDIS_URL: 'redis://cache' }[key as string] ?? SECRET
    const partner = PARTNERS[key]
    const all = { RISKGATE_JWT_SECRET: SECRET, ...partner, [key]: value, [`${key}_FILE`]: fileOf(value) }
    expect(problemsOf(all)).toEqual([`${key} and ${key}_FILE must not both be set.`])
  })

  it('is checked like the setting, under the name of the setting', () => {
    expect(problemsOf({ RISKGATE_JWT_SECRET_FILE: fileOf(CANARY) })).toEqual([
      'RISKGATE_JWT_SECRET must be at least 32 bytes long.',
    ])
    expect(problemsOf({ DATABASE_URL_FILE: fileOf(CANARY) })).toEqual([
      'DATABASE_URL must be a URL that begins with postgres:// or postgresql://.',
    ])
  })

  const loop = join(directory, 'loop')
  beforeAll(() => {
    symlinkSync(loop, loop)
    mkdirSync(join(directory, 'folder'))
  })
  it.each<[string, () => string, string]>([
    ['is not there', () => join(directory, CANARY), 'names a file that cannot be read (ENOENT).'],
    ['is a folder', () => join(directory, 'folder'), 'names a file that cannot be read (EISDIR).'],
    ['is below a file', () => join(fileOf('x'), CANARY), 'names a file that cannot be read (ENOTDIR).'],
    ['is a link to itself', () => loop, 'names a file that cannot be read (ELOOP).'],
    ['is empty', () => fileOf(''), 'names an empty file.'],
    ['holds bytes that are not text', () => fileOf(Buffer.alloc(40, 0xff)), 'names a file that is not UTF-8 text.'],
    ['holds only a line end', () => fileOf('\r\n'), 'names an empty file.'],
  ])('is a single problem, also in production and with a setting that needs it, if the file %s', (_what, file, problem) => {
    const production = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x', RISKGATE_JWT_PREVIOUS_SECRET: SECRET }
    for (const variables of [{}, production]) {
      const problems = problemsOf({ ...variables, RISKGATE_JWT_SECRET_FILE: file() })
      expect(problems).toEqual([`RISKGATE_JWT_SECRET_FILE ${problem}`])
      expect(problems.join()).not.toContain(CANARY)
    }
  })
})

describe('the printed configuration', () => {
  it('shows every setting with its effective value, also defaults', () => {
    const shown = shownSettings({})
    expect(Object.keys(shown).sort()).toEqual(Object.keys(settings.shape).sort())
    expect(shown).toMatchObject({
      DATABASE_URL: '',
      RISKGATE_DEVELOPMENT: 'true',
      RISKGATE_PORT: '4000',
      RISKGATE_JWT_ALGORITHMS: 'RS256,PS256,ES256,EdDSA',
      RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
      RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'false',
    })
    expect(shownSettings({ RISKGATE_JWT_SECRET: SECRET, RISKGATE_JWT_ROLE_MAP: 'a=ADMIN, b=SCORER' })).toMatchObject({
      RISKGATE_DEVELOPMENT: 'false',
      RISKGATE_RATE_LIMIT_PRINCIPAL: '100000',
      RISKGATE_JWT_ROLE_MAP: 'a=ADMIN,b=SCORER',
    })
  })

  it('shows no secret, and no part of a URL that may be a secret', () => {
    const shown = shownSettings({
      DATABASE_URL: `postgres://${CANARY}:${CANARY}@db/${CANARY}?password=${CANARY}`,
      REDIS_URL: `rediss://:${CANARY}@cache`,
      RISKGATE_JWT_SECRET: `${CANARY}${SECRET}`,
      RISKGATE_RELEASE_KEY: `${SECRET}${CANARY}`,
      RISKGATE_JWT_PREVIOUS_SECRET: `${SECRET}${CANARY}`,
      RISKGATE_MLFLOW_USER: 'riskgate',
      RISKGATE_MLFLOW_PASSWORD: CANARY,
      ...PARTNERS.RISKGATE_MLFLOW_WEBHOOK_SECRET,
      RISKGATE_MLFLOW_WEBHOOK_SECRET: `${CANARY}${SECRET}`,
      RISKGATE_JWKS_URL: `https://login.example/keys?code=${CANARY}#${CANARY}`,
    })
    expect(Object.values(shown).join()).not.toContain(CANARY)
    // A token takes the place of user and password.
    const { RISKGATE_MLFLOW_TOKEN } = shownSettings({ RISKGATE_MLFLOW_TOKEN: CANARY })
    const all: Record<string, string | undefined> = { ...shown, RISKGATE_MLFLOW_TOKEN }
    for (const key of SECRETS) expect(all[key]).toBe('(secret)')
    expect(shown.RISKGATE_JWKS_URL).toBe('https://login.example/keys?(hidden)')
  })

  it('is replaced by the problems if there are any', () => {
    expect(() => shownSettings({ RISKGATE_PORT: 'x', RISKGATE_X: 'y' })).toThrow(ConfigError)
  })
})
