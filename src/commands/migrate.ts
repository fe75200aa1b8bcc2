import { loadConfig } from '../config/config.js'
import { ConfigError } from '../errors.js'
import { prepareDatabase } from '../start/database.js'

/** Brings the database of DATABASE_URL up to date. @throws ConfigError where it is not set or cannot be used */
export async function migrate(): Promise<void> {
  const { databaseUrl } = loadConfig()
  if (databaseUrl === undefined) throw new ConfigError(['DATABASE_URL must be set.'])
  const print = (what: string) => process.stderr.write(`riskgate: ${what}\n`)
  await prepareDatabase(databaseUrl, code => print(`waiting for the database (${code})`), {
    waiting: () => print('another gateway migrates; waiting'),
    blocked: blockers => print(`a migration waits for the locks of other sessions: ${JSON.stringify(blockers)}`),
  })
}
