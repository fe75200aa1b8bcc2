import { existsSync } from 'node:fs'
import { type Config, ConfigError } from './config.js'
import { startEmbeddedPostgres } from './storage/embedded.js'
import { DatabaseUnusableError, waitForDatabase } from './storage/waitForDatabase.js'

/** A database that a command reads, and how to leave it. */
export interface CommandDatabase {
  readonly url: string
  readonly leave: () => Promise<void>
}

/**
 * The database of the settings. An embedded one goes on for a gateway that uses it, and stops for none. `waiting` is told of one that
 * does not answer yet.
 * @throws ConfigError when there is none
 */
export async function openCommandDatabase(
  { databaseUrl, stateDirectory }: Config,
  waiting: (code: string) => void,
): Promise<CommandDatabase> {
  if (databaseUrl !== undefined) {
    await waitForDatabase(databaseUrl, waiting).catch((error: unknown) => {
      throw error instanceof DatabaseUnusableError ? new ConfigError([`DATABASE_URL: ${error.message}`]) : error
    })
    return { url: databaseUrl, leave: async () => {} }
  }
  if (!existsSync(stateDirectory)) {
    throw new ConfigError([`DATABASE_URL is not set, and RISKGATE_STATE_DIR (${stateDirectory}) is not there.`])
  }
  const embedded = await startEmbeddedPostgres({ stateDirectory, log: () => {} })
  return { url: embedded.url, leave: () => embedded.stop() }
}
