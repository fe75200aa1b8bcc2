import { makeStateDirectory } from '../config/stateDirectory.js'
import { ConfigError } from '../errors.js'
import type { Metrics } from '../observability/metrics.js'
import { startEmbeddedPostgres } from '../storage/embedded/embeddedPostgres.js'
import { type MigrateOptions, migrateDatabase } from '../storage/migrate.js'
import { CALL_RESULTS, type PoolUse } from '../storage/postgres/connectionPool.js'
import { Database, POOL_NAMES } from '../storage/postgres/database.js'
import { addressOf } from '../storage/postgres/driver.js'
import { type DatabaseAccess, waitForDatabase } from '../storage/postgres/waitForDatabase.js'
import { explainMigration } from './databaseProblem.js'
import { type EarlyKit, warnTo } from './kit.js'
import { patiently } from './patiently.js'

/**
 * Connects to the configured database, or to an embedded one, and brings it up to date. `signal` ends the wait for it.
 * @throws ConfigError when the configured database cannot be used
 */
export async function startDatabase(kit: EarlyKit, { signal }: { signal: AbortSignal }): Promise<Database> {
  const { url, isPooled } = await findDatabase(kit, signal)
  const { config, metrics, logger, onStop } = kit
  if (isPooled) logger.info('a pooler is in front of Postgres: each call is a transaction of its own')
  const database = new Database({
    url,
    isPooled,
    poolSize: config.databasePoolSize,
    fullPageWritesMayBeOff: config.fullPageWritesMayBeOff,
    warn: warnTo(kit),
    called: (pool, result, seconds) => metrics.databaseCallSeconds.of(pool, result).observe(seconds),
  })
  onStop(() => database.close())
  measure(database, metrics)
  if (!(await patiently(() => database.isTimeLimited())))
    throw new ConfigError([
      'DATABASE_URL: the time limit of statements (statement_timeout) does not hold. A parameter of the address, or something in between, changes it.',
    ])
  return database
}

function measure(database: Database, metrics: Metrics): void {
  for (const pool of POOL_NAMES) for (const result of CALL_RESULTS) metrics.databaseCallSeconds.of(pool, result)
  const each = (of: keyof PoolUse) => () => Object.fromEntries(POOL_NAMES.map(name => [name, database.pools[name][of]]))
  metrics.gauges('database_pool_size', 'Connections that the pool may open.', 'pool', each('size'))
  metrics.gauges('database_calls_running', 'Calls of Postgres that have a connection.', 'pool', each('running'))
  metrics.gauges('database_calls_waiting', 'Calls of Postgres that wait for a connection.', 'pool', each('waiting'))
}

async function findDatabase(
  { config: { databaseUrl, mayMigrate, stateDirectory }, logger, onStop }: EarlyKit,
  signal: AbortSignal,
): Promise<DatabaseAccess & { readonly url: string }> {
  const migration: MigrateOptions = {
    mayMigrate,
    waiting: () => logger.info('another gateway migrates; waiting'),
    blocked: blockers => logger.warn({ blockers }, 'a migration waits for the locks of other sessions; trying again'),
    signal,
  }
  if (databaseUrl !== undefined) {
    const { ignored } = addressOf(databaseUrl)
    if (ignored.length > 0) logger.info({ parameters: ignored }, 'parameters of DATABASE_URL have no effect here')
    const waiting = (code: string) => logger.warn({ code }, 'Postgres does not answer yet; trying for some seconds')
    return { url: databaseUrl, ...(await prepareDatabase(databaseUrl, waiting, migration)) }
  }
  await makeStateDirectory(stateDirectory)
  const embedded = await startEmbeddedPostgres({
    stateDirectory,
    log: (message, fields) => logger.info({ ...fields }, message),
    signal,
  })
  onStop(() => embedded.stop())
  // Nobody else could.
  await migrateOrExplain('RISKGATE_STATE_DIR', embedded.url, { ...migration, mayMigrate: true })
  return { url: embedded.url, isPooled: false }
}

/**
 * Brings the database of DATABASE_URL up to date; calls `waiting` while it does not answer.
 * @throws ConfigError when it cannot be used
 */
export async function prepareDatabase(
  databaseUrl: string,
  waiting: (code: string) => void,
  migration: MigrateOptions,
): Promise<DatabaseAccess> {
  const access = await waitForDatabase(databaseUrl, waiting, migration.signal)
  await migrateOrExplain('DATABASE_URL', databaseUrl, migration)
  return access
}

async function migrateOrExplain(setting: string, url: string, migration: MigrateOptions): Promise<void> {
  await migrateDatabase(url, migration).catch((error: unknown) => {
    throw explainMigration(setting, error)
  })
}
