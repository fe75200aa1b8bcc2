import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../src/app.js'
import type { Role } from '../../src/auth/principal.js'
import { Tokens } from '../../src/auth/tokens.js'
import { loadConfig } from '../../src/config/config.js'
import { GraphqlClient } from './client.js'
import { createTestDatabase, type TestDatabase } from './database.js'

export const TEST_SECRET = 'a secret for tests, of 32 bytes or more'

/** Signs the reports of the bundled versions, which each test database has: no gateway checks them again. */
export const TEST_RELEASE_KEY = 'a release key for tests, of 32 bytes or more'

export interface Caller {
  readonly roles: readonly Role[]
  readonly subject?: string
  readonly tenant?: string
}

export interface TestGateway extends AsyncDisposable {
  readonly url: string
  readonly database: TestDatabase
  /** The settings it runs with, for starting another replica of it. */
  readonly environment: Readonly<Record<string, string>>
  /** A client with a fresh token, or an anonymous client if no caller is given. */
  as(caller?: Caller): Promise<GraphqlClient>
}

/** Starts a gateway in this process on a real port. It gets a new database unless `database` or DATABASE_URL names one. */
export async function startGateway(environment: Record<string, string> = {}, database?: TestDatabase): Promise<TestGateway> {
  const owned = database ? undefined : await createTestDatabase()
  const used = database ?? (owned as TestDatabase)
  const stateDirectory = await mkdtemp(join(tmpdir(), 'riskgate-state-'))
  const settings = {
    DATABASE_URL: used.url,
    RISKGATE_PORT: '0',
    RISKGATE_STATE_DIR: stateDirectory,
    RISKGATE_JWT_SECRET: TEST_SECRET,
    RISKGATE_RELEASE_KEY: TEST_RELEASE_KEY,
    RISKGATE_LOG_LEVEL: 'silent',
    RISKGATE_DRAIN_MS: '0',
    ...environment,
  }
  let app: App | undefined
  const end = async () => {
    await app?.stop()
    await owned?.[Symbol.asyncDispose]()
    await rm(stateDirectory, { recursive: true, force: true })
  }
  try {
    app = createApp(loadConfig(settings))
    const { url } = await app.start()
    return {
      url,
      database: used,
      environment: settings,
      as: async caller => new GraphqlClient(url, caller && (await signToken(caller))),
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

export function signToken({ roles, subject = 'test-client', tenant = 'default' }: Caller, ttlSeconds = 3600): Promise<string> {
  const tokens = new Tokens({ secret: Buffer.from(TEST_SECRET), issuer: 'riskgate', audience: 'riskgate' })
  return tokens.sign({ subject, tenant, roles, ttlSeconds })
}
