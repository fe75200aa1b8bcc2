import { ConfigError } from '../errors.js'
import { startEmbeddedPostgres } from '../storage/embedded/embeddedPostgres.js'
import { type MigrateOptions, migrateDatabase } from '../storage/migrate.js'
import { Database } from '../storage/postgres/database.js'
import { isNotPermitted } from '../storage/postgres/postgresErrors.js'
import { waitForDatabase } from '../storage/postgres/waitForDatabase.js'
import { type EarlyKit, warnTo } from './kit.js'

/**
 * Connects to the configured database, or to an embedded one, and brings it up to date. `signal` ends the wait for it.
 * @throws ConfigError when the configured database cannot be used
 */
export async function startDatabase(kit: EarlyKit, { signal }: { signal: AbortSignal }): Promise<Database> {
  const url = await findDatabase(kit, signal)
  const database = new Database({ url, poolSize: kit.config.databasePoolSize, warn: warnTo(kit) })
  kit.onStop(() => database.close())
  return database
}

async function findDatabase(
  { config: { databaseUrl, stateDirectory }, logger, onStop }: EarlyKit,
  signal: AbortSignal,
): Promise<string> {
  const migration = { waiting: () => logger.info('another gateway migrates; waiting'), signal }
  if (databaseUrl !== undefined) {
    const waiting = (code: string) => logger.warn({ code }, 'Postgres does not answer yet; trying for some seconds')
    await prepareDatabase(databaseUrl, waiting, migration)
    return databaseUrl
  }
  const embedded = await startEmbeddedPostgres({ stateDirectory, log: (message, fields) => logger.info({ ...fields }, message) })
  onStop(() => embedded.stop())
  await migrateDatabase(embedded.url, migration)
  return embedded.url
}

/**
 * Brings the database of DATABASE_URL up to date; calls `waiting` while it does not answer.
 * @throws ConfigError when it cannot be used
 */
export async function prepareDatabase(
  databaseUrl: string,
  waiting: (code: string) => void,
  migration: MigrateOptions,
): Promise<void> {
  await waitForDatabase(databaseUrl, waiting, migration.signal)
  await migrateDatabase(databaseUrl, migration).catch((error: unknown) => {
    throw isNotPermitted(error) ? new ConfigError(['DATABASE_URL: its user may not create tables there (42501).']) : error
  })
}
