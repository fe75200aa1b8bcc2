import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway, TEST_SECRET } from '../support/gateway.js'
import { runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { ViewerDocument } from '../support/generated/operations.js'

const ROOT = join(import.meta.dirname, '../..')
const directory = testFolder('cli')

const EXIT_CONFIG = 78
/** A temporary state directory, so that no test creates .riskgate/ in the project. */
const STATE = { RISKGATE_STATE_DIR: join(directory, 'state') }

describe('a bad configuration', () => {
  it('ends with status 78 and names every setting, but no value', async () => {
    const wrong = {
      DATABASE_URL: 'mysql://user:hunter2@somewhere/db',
      REDIS_URL: 'http://hunter3',
      RISKGATE_PORT: '70000',
      RISKGATE_DATABASE_POOL_SIZE: 'many',
      RISKGATE_JWT_SECRET: 'hunter4',
      RISKGATE_LOG_LEVEL: 'loud',
      RISKGATE_BODY_LIMIT_BYTES: '-1',
      RISKGATE_DRAIN_MS: '1.5',
      RISKGATE_TYPO: 'hunter5',
    }
    const { status, stdout, stderr } = await runCommand([], wrong)
    expect(status).toBe(EXIT_CONFIG)
    for (const key of Object.keys(wrong)) expect(stderr).toMatch(new RegExp(`^riskgate: ${key} `, 'm'))
    expect(stderr.trim().split('\n')).toHaveLength(Object.keys(wrong).length)
    expect(stderr + stdout).not.toMatch(/hunter|somewhere|70000|loud/)
  })

  it.each(['serve', 'schema', 'config'])('ends `riskgate %s` the same way', async command => {
    const { status, stderr } = await runCommand([command], { RISKGATE_PORT: 'x' })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toContain('RISKGATE_PORT')
  })

  it('is, in production, one without database and key', async () => {
    const { status, stderr } = await runCommand([], { NODE_ENV: 'production', ...STATE })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toMatch(/^riskgate: DATABASE_URL .*production/m)
    expect(stderr).toMatch(/^riskgate: RISKGATE_JWT_SECRET or RISKGATE_JWKS_URL .*production/m)
  })

  it('is, in production, also one with empty keys', async () => {
    const { status, stderr } = await runCommand([], {
      NODE_ENV: 'production',
      DATABASE_URL: '',
      RISKGATE_JWT_SECRET: '',
      ...STATE,
    })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr.trim().split('\n')).toHaveLength(2)
  })
})

describe('a state directory that cannot be used', () => {
  const file = join(directory, 'a-file')
  beforeAll(() => writeFileSync(file, ''))

  // Without a key of its own the gateway writes one there; with a key it makes its database there.
  it.each([
    ['is a file', file, 'EEXIST', {}],
    ['is a file, for the database', file, 'EEXIST', TEST_KEY],
    ['lies below a file', join(file, 'state'), 'ENOTDIR', {}],
    ['lies where no directory can be made', '/proc/riskgate/state', 'ENOENT', {}],
  ])('because it %s ends the start with status 78 and a sentence', async (_why, path, code, key) => {
    const { status, stderr } = await runCommand([], { RISKGATE_STATE_DIR: path, RISKGATE_PORT: '0', ...key })
    expect({ status, stderr }).toEqual({
      status: EXIT_CONFIG,
      stderr: `riskgate: RISKGATE_STATE_DIR: ${path} is not a directory that this user can write to (${code}). Choose another.\n`,
    })
  })

  it('ends other commands in the same way', async () => {
    for (const command of [
      ['token', '--role', 'ADMIN'],
      ['key', 'list'],
    ]) {
      const { status, stderr } = await runCommand(command, { RISKGATE_STATE_DIR: file })
      expect(status).toBe(EXIT_CONFIG)
      expect(stderr).toMatch(/^riskgate: RISKGATE_STATE_DIR: .*\(EEXIST\)\. Choose another\.\n$/)
    }
  })
})

it.each(['', 'cut'])('a signing key that a full disk has cut short is made anew: "%s"', async rest => {
  const state = join(directory, `key-${rest}`)
  mkdirSync(state)
  writeFileSync(join(state, 'signing.key'), rest, { mode: 0o600 })
  expect(await runCommand(['token', '--role', 'ADMIN'], { RISKGATE_STATE_DIR: state })).toMatchObject({ status: 0, stderr: '' })
  expect(readFileSync(join(state, 'signing.key'))).toHaveLength(32)
})

describe('riskgate config', () => {
  const secret = 'hunter2'.repeat(5)
  const file = join(directory, 'database-url')
  beforeAll(() => writeFileSync(file, `postgres://user:${secret}@nowhere.invalid/db\n`))
  const set = {
    DATABASE_URL_FILE: file,
    REDIS_URL: `rediss://:${secret}@nowhere.invalid`,
    RISKGATE_JWT_SECRET: secret,
    RISKGATE_JWKS_URL: `https://nowhere.invalid/keys?code=${secret}`,
    RISKGATE_HOST: '0.0.0.0',
    RISKGATE_STATE_DIR: join(directory, 'never'),
  }

  it('prints every setting with its effective value, without secrets, and starts nothing', async () => {
    const { status, stdout, stderr } = await runCommand(['config'], set)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).not.toContain('hunter2')
    const shown = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map(line => line.split(/=(.*)/s)),
    )
    expect(shown).toMatchObject({
      DATABASE_URL: '(secret)',
      REDIS_URL: '(secret)',
      RISKGATE_JWT_SECRET: '(secret)',
      RISKGATE_JWT_PREVIOUS_SECRET: '',
      RISKGATE_JWKS_URL: 'https://nowhere.invalid/keys?(hidden)',
      RISKGATE_DEVELOPMENT: 'false',
      RISKGATE_HOST: '0.0.0.0',
      RISKGATE_PORT: '4000',
      RISKGATE_LOG_LEVEL: 'info',
    })
    expect(existsSync(set.RISKGATE_STATE_DIR)).toBe(false)
  })

  it('ends with status 78 and prints only the problems if there are any', async () => {
    const { status, stdout, stderr } = await runCommand(['config'], {
      ...set,
      RISKGATE_PORT: secret,
      RISKGATE_TYPO: secret,
      DATABASE_URL_FILE: join(directory, secret),
    })
    expect({ status, stdout }).toEqual({ status: EXIT_CONFIG, stdout: '' })
    expect(stderr.trimEnd().split('\n')).toEqual([
      'riskgate: DATABASE_URL_FILE names a file that cannot be read (ENOENT).',
      'riskgate: RISKGATE_TYPO is not a setting of riskgate.',
      'riskgate: RISKGATE_PORT must be a whole number.',
    ])
  })
})

describe('secrets from files', () => {
  it('are used by the gateway', async () => {
    await using database = await createTestDatabase()
    const secrets = { DATABASE_URL: database.url, RISKGATE_JWT_SECRET: TEST_SECRET }
    const files = Object.entries(secrets).map(([key, value]) => {
      const file = join(directory, `${key}-of-files`)
      writeFileSync(file, `${value}\r\n`, { mode: 0o600 })
      return [`${key}_FILE`, file] as const
    })
    await using gateway = await spawnGateway({ ...Object.fromEntries(files), ...STATE })
    const { viewer } = await (await gateway.as({ roles: ['ANALYST'], subject: 'desk' })).data(ViewerDocument, {})
    expect(viewer.id).toBe('desk')
  })
})

describe('a models folder', () => {
  it('whose champion has not the digest of its manifest ends with status 78 and names the file', async () => {
    const models = join(directory, 'models')
    cpSync(join(ROOT, 'models'), models, { recursive: true })
    const model = join(models, 'consumer-credit')
    const champion = readFileSync(join(model, 'champion'), 'utf8').trim()
    appendFileSync(join(model, champion, 'model.onnx'), 'x')
    const { status, stderr } = await runCommand([], { RISKGATE_MODELS_DIR: models, ...STATE })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toContain(`consumer-credit/${champion}/model.onnx`)
    expect(stderr).toContain('SHA-256')
  })

  it.each<[string, (models: string) => void]>([
    ['is missing', () => {}],
    ['is empty', models => mkdirSync(models)],
    [
      'holds a broken contract',
      models => {
        cpSync(join(ROOT, 'models'), models, { recursive: true })
        writeFileSync(join(models, 'consumer-credit/contract.json'), '{')
      },
    ],
  ])('that %s ends with status 78 and a message', async (what, make) => {
    const models = join(directory, what)
    make(models)
    const { status, stderr } = await runCommand([], { RISKGATE_MODELS_DIR: models, ...STATE })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toMatch(/^(riskgate: .*\.\n)+$/)
    expect(stderr).toContain(models)
  })
})

describe('riskgate token', () => {
  it('prints a token that works, with its roles, subject and tenant', async () => {
    await using gateway = await startGateway()
    const arguments_ = ['token', '--role', 'SCORER', 'ANALYST', '--subject', 'shop', '--tenant', 'bank', '--ttl', '5m']
    const { status, stdout, stderr } = await runCommand(arguments_, TEST_KEY)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const { viewer } = await new GraphqlClient(gateway.url, stdout.trim()).data(ViewerDocument, {})
    expect(viewer).toMatchObject({ id: 'shop', tenant: 'bank', roles: ['SCORER', 'ANALYST'] })
  })

  it('is not valid under another key', async () => {
    await using gateway = await startGateway()
    const { stdout } = await runCommand(['token', '--role', 'ADMIN'], { RISKGATE_JWT_SECRET: `${TEST_SECRET}, but another` })
    const { status, errors } = await new GraphqlClient(gateway.url, stdout.trim()).request(ViewerDocument, {})
    expect(status).toBe(401)
    expect(errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED')
  })

  it('has the claims that the gateway is configured to read', async () => {
    const mapped = {
      RISKGATE_JWT_ROLES_CLAIM: 'https://bank.example/roles',
      RISKGATE_JWT_ROLE_MAP: 'risk-desk=ANALYST',
      RISKGATE_JWT_TENANT_CLAIM: 'org.id',
      RISKGATE_JWT_TENANT_MAP: '1f3a=north',
    }
    await using gateway = await startGateway(mapped)
    const arguments_ = ['token', '--role', 'ANALYST', '--tenant', 'north']
    const { stdout } = await runCommand(arguments_, { ...TEST_KEY, ...mapped })
    const { viewer } = await new GraphqlClient(gateway.url, stdout.trim()).data(ViewerDocument, {})
    expect(viewer).toMatchObject({ id: 'cli', tenant: 'north', roles: ['ANALYST'] })
  })

  it.each([
    ['on a server', { RISKGATE_HOST: '0.0.0.0' }],
    ['in development', { RISKGATE_DEVELOPMENT: 'true' }],
  ])('prints no token %s if only an issuer signs: status 78, and what to do instead', async (_where, environment) => {
    const issuer = { RISKGATE_JWKS_URL: 'https://login.bank.example/certs', ...STATE, ...environment }
    const { status, stdout, stderr } = await runCommand(['token', '--role', 'ADMIN'], issuer)
    expect({ status, stdout }).toEqual({ status: EXIT_CONFIG, stdout: '' })
    expect(stderr).toMatch(/^riskgate: RISKGATE_JWT_SECRET must be set .*RISKGATE_JWKS_URL.*\.\n$/)
  })

  it.each([
    ['an unknown role', ['--role', 'ROOT'], 'SCORER, MONITOR, ANALYST, MODEL_MANAGER, ADMIN, TELEMETRY'],
    [
      'an unknown role after a known one',
      ['--role', 'ADMIN', 'ROOT'],
      'SCORER, MONITOR, ANALYST, MODEL_MANAGER, ADMIN, TELEMETRY',
    ],
    ['no role', [], '--role'],
    ['a time without a unit', ['--role', 'ADMIN', '--ttl', '5'], '30m, 12h or 7d'],
  ])('refuses %s, and prints no token', async (_what, arguments_, hint) => {
    const { status, stdout, stderr } = await runCommand(['token', ...arguments_], TEST_KEY)
    expect(status).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain(hint)
  })
})

it('riskgate --version prints the version of the package, whatever the settings', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  expect(await runCommand(['--version'], { RISKGATE_PORT: 'x' })).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' })
})

describe('riskgate schema', () => {
  it('prints exactly the committed schema.graphql', async () => {
    const { status, stdout } = await runCommand(['schema'])
    expect(status).toBe(0)
    expect(stdout).toBe(readFileSync(join(ROOT, 'schema.graphql'), 'utf8'))
  })
})

describe('riskgate migrate', () => {
  it('brings a database up to date, and succeeds if it already is', async () => {
    await using database = await createTestDatabase()
    for (let i = 0; i < 2; i++) {
      expect(await runCommand(['migrate'], { DATABASE_URL: database.url })).toMatchObject({ status: 0, stderr: '' })
    }
    expect(await database.sql`select ordinal from feed_epochs`).toHaveLength(1)
  })

  it('requires DATABASE_URL', async () => {
    const { status, stderr } = await runCommand(['migrate'])
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toContain('DATABASE_URL')
  })
})

describe('an unknown command or option', () => {
  it.each([['nonsense'], ['--nonsense'], ['serve', '--port', '1']])('is refused: %s', async (...arguments_) => {
    const { status, stderr } = await runCommand(arguments_, STATE)
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error: /)
  })

  it('is reported as an unknown command, not as an argument of another command', async () => {
    const { stderr } = await runCommand(['keys', 'list'], STATE)
    expect(stderr).toContain('there is no such command')
    expect(stderr).not.toContain('serve')
  })
})
