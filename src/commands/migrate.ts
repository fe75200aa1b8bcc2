import { loadDatabaseUrl } from '../config/config.js'
import { prepareDatabase } from '../start/database.js'

/** Brings the database of DATABASE_URL up to date, and needs no other setting. @throws ConfigError where it is not set or cannot be used */
export async function migrate(): Promise<void> {
  const print = (what: string) => process.stderr.write(`riskgate: ${what}\n`)
  await prepareDatabase(loadDatabaseUrl(), code => print(`waiting for the database (${code})`), {
    waiting: () => print('another gateway migrates; waiting'),
    noPartitionsAhead: () => print('partitions of the coming months are missing, and this user may not create them'),
    blocked: blockers => print(`a migration waits for the locks of other sessions: ${JSON.stringify(blockers)}`),
  })
}
