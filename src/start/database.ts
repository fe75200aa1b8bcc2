import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import type { Logger } from '../observability/logger.js'
import { startEmbeddedPostgres } from '../storage/embedded/embeddedPostgres.js'
import { type MigrateOptions, migrateDatabase } from '../storage/migrate.js'
import { DatabaseUnusableError, waitForDatabase } from '../storage/postgres/waitForDatabase.js'

/**
 * Answers the address of the database, brought up to date: that of the configuration, or an embedded one, which `onStop` is told how
 * to end.
 * @throws ConfigError when the one of the configuration cannot be used
 */
export async function startDatabase(
  { databaseUrl, stateDirectory }: Config,
  logger: Logger,
  onStop: (closer: () => Promise<void>) => void,
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
 * Brings the database of DATABASE_URL up to date; `waiting` is told when it has to be waited for.
 * @throws ConfigError when it cannot be used
 */
export async function prepareDatabase(
  databaseUrl: string,
  waiting: (code: string) => void,
  migration: MigrateOptions,
): Promise<void> {
  try {
    await waitForDatabase(databaseUrl, waiting, migration.signal)
    await migrateDatabase(databaseUrl, migration)
  } catch (error) {
    throw error instanceof DatabaseUnusableError ? new ConfigError([`DATABASE_URL: ${error.message}`]) : error
  }
}
