import type { Config } from '../../config/config.js'
import type { Diagnosis } from '../../storage/diagnosis.js'
import { FULL_PAGE_WRITES } from '../../storage/postgres/database.js'
import { FEW_DAYS_AHEAD } from '../../storage/postgres/partitions.js'
import { type Finding, ok, problem, warning } from './finding.js'

type GatewayNeeds = Pick<Config, 'databasePoolSize' | 'mayMigrate' | 'fullPageWritesMayBeOff'>

const DAY_MS = 86_400_000
const OLDEST_VERSION = 15
// A gateway with such a clock runs no upkeep.
const WRONG_CLOCK_MS = 60_000
const ODD_CLOCK_MS = 1_000
const BEHIND_POOLER = 'in between: each call is a transaction of its own, with its time limit, and no statement is prepared'
/** The connections of a gateway beside its pool: webhooks and seals, the alert feed. */
const BESIDE_POOL = 2

/** What the answers of the database mean for a gateway with these settings. */
export function databaseFindings(found: Diagnosis, needs: GatewayNeeds): Finding[] {
  const { databasePoolSize, mayMigrate, fullPageWritesMayBeOff } = needs
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
    settingsFinding(found.unsafeSettings, fullPageWritesMayBeOff),
    rightsFinding(found, mayMigrate),
    writesFinding(found),
    migrationsFinding(found.migrations),
    ...partitionsFindings(found),
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

function settingsFinding(unsafe: readonly string[], fullPageWritesMayBeOff: boolean): Finding {
  const check = 'database settings'
  const off = unsafe.filter(name => name !== FULL_PAGE_WRITES || !fullPageWritesMayBeOff)
  if (off.length > 0) return problem(check, `Acknowledged rows could be lost: switch on ${off.join(', ')}.${hintFor(off)}`)
  if (unsafe.length === 0) return ok(check, 'acknowledged rows survive a crash')
  return ok(
    check,
    'full_page_writes is off, which RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF allows: the storage must never write half a page',
  )
}

function hintFor(off: readonly string[]): string {
  if (!off.includes(FULL_PAGE_WRITES)) return ''
  return ' Storage that never writes half a page, as of Neon, needs no full_page_writes: set RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF=true.'
}

function rightsFinding({ lockedTables, mayCreate, foreignTables, migrations }: Diagnosis, mayMigrate: boolean): Finding {
  if (lockedTables.length > 0) {
    return problem('database rights', `This user may not read and write ${lockedTables.join(', ')}: grant it these rights.`)
  }
  if (!mayMigrate) return ok('database rights', 'may read and write every table; migrations are left to another user')
  if (migrations.missing === 0 && !(mayCreate && foreignTables.length === 0))
    return ok('database rights', 'may read and write every table; later migrations, and partitions, need their owner')
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

function partitionsFindings({ partitionsEnd, ownsPredictions, clockAheadMs }: Diagnosis): Finding[] {
  if (partitionsEnd === undefined) return []
  const days = Math.floor((partitionsEnd.getTime() - (Date.now() - clockAheadMs)) / DAY_MS)
  const says = `those of predictions reach until ${partitionsEnd.toISOString()}`
  if (ownsPredictions && days < 0)
    return [
      problem(
        'partitions',
        `No score can be stored: ${says}. A table of a later month is there, but not attached to predictions.`,
      ),
    ]
  if (ownsPredictions) return [ok('partitions', says)]
  const owners = `${says}, and this user may not create them: run riskgate upkeep as the owner of the tables`
  if (days < 0) return [problem('partitions', `No score can be stored: ${owners}.`)]
  return [days < FEW_DAYS_AHEAD ? warning('partitions', `${owners}.`) : ok('partitions', `${says}; their owner makes them`)]
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
