import { setTimeout as sleep } from 'node:timers/promises'
import { loadUpkeepConfig } from '../config/config.js'
import { explainMigration } from '../start/databaseProblem.js'
import { Database } from '../storage/postgres/database.js'
import { daysAgo } from '../storage/postgres/instants.js'
import { detachedPartitions, endOfPartitions, ensurePartitionsAhead } from '../storage/postgres/partitions.js'
import { waitForDatabase } from '../storage/postgres/waitForDatabase.js'
import { PredictionRetention } from '../storage/predictions/predictionRetention.js'

const CONNECTIONS = 4
// A partition that somebody reads is left alone, and tried again.
const TRIES = 30
const PAUSE_MS = 1_000

/**
 * Does what only the owner of the tables may: makes the partitions of the coming months, and drops those past their retention. For a
 * schedule, where gateways run as another user. Needs DATABASE_URL and the settings of retention, and no others.
 * @throws ConfigError where they cannot be used, Error where something is left undone
 */
export async function upkeep(): Promise<void> {
  const { databaseUrl: url, predictionRetentionDays } = loadUpkeepConfig()
  const { isPooled } = await waitForDatabase(url, code => print(`waiting for the database (${code})`))
  const database = new Database({ url, isPooled, poolSize: CONNECTIONS, warn: () => {} })
  try {
    await database.write(({ sql }) => ensurePartitionsAhead(sql))
    const end = await database.read(({ sql }) => endOfPartitions(sql))
    print(`partitions of predictions reach until ${end.toISOString()}`)
    const detached = await database.read(({ sql }) => detachedPartitions(sql))
    if (predictionRetentionDays !== undefined) await removePredictions(database, await daysAgo(database, predictionRetentionDays))
    if (detached !== undefined) throw new Error(`${detached}.`)
  } catch (error) {
    throw explainMigration('DATABASE_URL', error)
  } finally {
    await database.close()
  }
}

async function removePredictions(database: Database, before: Date): Promise<void> {
  const retention = new PredictionRetention(database)
  for (let attempt = 1; ; attempt++) {
    for (const partition of await retention.run(before)) print(`removed ${partition}, which was past its retention`)
    const left = await retention.overdue(before)
    if (left.length === 0) return
    if (attempt === TRIES) throw new Error(`Somebody reads ${left.join(', ')}, which are past their retention. Run this again.`)
    await sleep(PAUSE_MS)
  }
}

function print(what: string): void {
  process.stderr.write(`riskgate: ${what}\n`)
}
