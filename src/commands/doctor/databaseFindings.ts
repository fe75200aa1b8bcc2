import type { Config } from '../../config/config.js'
import type { Diagnosis } from '../../storage/diagnosis.js'
import { type Finding, ok, problem, warning } from './finding.js'

type GatewayNeeds = Pick<Config, 'databasePoolSize' | 'mayMigrate'>

const OLDEST_VERSION = 15
// A gateway with such a clock runs no upkeep.
const WRONG_CLOCK_MS = 60_000
const ODD_CLOCK_MS = 1_000
const BEHIND_POOLER = 'in between: each call is a transaction of its own, with its time limit, and no statement is prepared'
/** The connections of a gateway beside its pool: webhooks and seals, the alert feed. */
const BESIDE_POOL = 2

/** What the answers of the database mean for a gateway with these settings. */
export function databaseFindings(found: Diagnosis, { databasePoolSize, mayMigrate }: GatewayNeeds): Finding[] {
  return [
    found.versionNumber >= OLDEST_VERSION * 10_000
      ? ok('database version', `PostgreSQL ${found.version}`)
      : problem('database version', `PostgreSQL ${found.version} is too old: upgrade it to ${OLDEST_VERSION} or later.`),
    found.isTimeLimited
      ? ok('pooler', found.isPooled ? BEHIND_POOLER : 'none in between')
      : problem(
          'pooler',
          'The time limit of statements (statement_timeout) does not hold: a parameter of DATABASE_URL, or something in between, changes it.',
        ),
    found.unsafeSettings.length === 0
      ? ok('database settings', 'acknowledged rows survive a crash')
      : problem('database settings', `Acknowledged rows could be lost: switch on ${found.unsafeSettings.join(', ')}.`),
    rightsFinding(found, mayMigrate),
    writesFinding(found),
    migrationsFinding(found.migrations),
    found.invalidIndexes.length === 0
      ? ok('indexes', 'all valid')
      : problem('indexes', `Not valid: ${found.invalidIndexes.join(', ')}. Run REINDEX INDEX CONCURRENTLY for each.`),
    found.withoutStatistics.length === 0
      ? ok('statistics', 'there')
      : warning('statistics', `Never analyzed: ${found.withoutStatistics.join(', ')}. Run ANALYZE, as after each restore.`),
    found.isPooled
      ? ok('connections', `${found.freeConnections} free for the pooler`)
      : connectionsFinding(found.freeConnections, databasePoolSize + BESIDE_POOL),
    clockFinding(found.clockAheadMs),
  ]
}

function rightsFinding({ lockedTables, mayCreate, foreignTables }: Diagnosis, mayMigrate: boolean): Finding {
  if (lockedTables.length > 0) {
    return problem('database rights', `This user may not read and write ${lockedTables.join(', ')}: grant it these rights.`)
  }
  if (!mayMigrate) return ok('database rights', 'may read and write every table; migrations are left to another user')
  if (!mayCreate) return problem('database rights', 'This user may not create schemas and tables: let it own the database.')
  if (foreignTables.length === 0) return ok('database rights', 'may create tables, and owns those that are there')
  return problem(
    'database rights',
    `Another user owns ${foreignTables.join(', ')}: change the owner, or set RISKGATE_MIGRATE_AT_START=false.`,
  )
}

function writesFinding({ isReadOnly, refusesWrites }: Diagnosis): Finding {
  if (isReadOnly) return problem('database writes', 'The server is read-only, as a standby is: name the primary in DATABASE_URL.')
  if (refusesWrites === undefined) return ok('database writes', 'accepted')
  return problem('database writes', `${refusesWrites}: make room on its disk, or look for its files.`)
}

function migrationsFinding({ missing, unknown }: Diagnosis['migrations']): Finding {
  if (unknown > 0)
    return problem('migrations', 'A newer riskgate has migrated the database: start that version, or restore a backup.')
  if (missing > 0) return warning('migrations', `${missing} to come: the next start, or riskgate migrate, applies them.`)
  return ok('migrations', 'up to date')
}

function connectionsFinding(free: number, wanted: number): Finding {
  const says = `${free} free, and a gateway opens up to ${wanted}`
  if (free >= wanted) return ok('connections', says)
  return warning(
    'connections',
    `${says}: raise max_connections and the CONNECTION LIMIT of this user, or lower RISKGATE_DATABASE_POOL_SIZE.`,
  )
}

function clockFinding(aheadMs: number): Finding {
  const says = `${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} the database`
  if (Math.abs(aheadMs) >= WRONG_CLOCK_MS)
    return problem('clock', `${says}: no upkeep runs here. Set the clock, by NTP for example.`)
  if (Math.abs(aheadMs) >= ODD_CLOCK_MS) return warning('clock', `${says}: does NTP run on both machines?`)
  return ok('clock', says)
}
