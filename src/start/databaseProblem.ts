import { ConfigError } from '../errors.js'
import { NewerDatabaseError, OlderDatabaseError } from '../storage/migrate.js'
import { isMissingTable, isNotPermitted, postgresErrorCode, wordsOf } from '../storage/postgres/postgresErrors.js'
import { RefusedFunctionError } from '../storage/postgres/requiredFunctions.js'

const READ_ONLY = '25006'
// Features, rights, tables, functions and states that a start needs. All else may pass.
const CANNOT_BE_USED = /^(0A|25|42|55)...$/
const RIGHTS = 'docs/operations/database.md lists the rights.'

/** What a failure to bring a database up to date means, as a ConfigError of this setting; other errors stay as they are. */
export function explainMigration(setting: string, error: unknown): unknown {
  const says = migrationProblem(error)
  return says === undefined ? error : new ConfigError([`${setting}: ${says}`])
}

function migrationProblem(error: unknown): string | undefined {
  const code = postgresErrorCode(error)
  if (error instanceof NewerDatabaseError)
    return 'a newer riskgate has migrated its database. Start that version, or restore a backup.'
  if (error instanceof OlderDatabaseError) return 'its database lacks migrations of this release. Run `riskgate migrate` first.'
  if (error instanceof RefusedFunctionError)
    return `its PostgreSQL refuses ${error.message} (${code}), which riskgate cannot do without. Grant this user the right to call it, or use another server.`
  if (isMissingTable(error)) return 'its database lacks tables of riskgate. Run `riskgate migrate` first.'
  if (!(error instanceof Error && CANNOT_BE_USED.test(code))) return undefined
  // No row of a caller is known yet: the words of PostgreSQL hold names of tables and functions, and no values.
  if (isNotPermitted(error))
    return `its user lacks a right there (42501). Run \`riskgate migrate\` as a user that has it, or grant it. PostgreSQL says: ${wordsOf(error)}. ${RIGHTS}`
  if (code === READ_ONLY) return 'its PostgreSQL is read-only, as a standby is (25006). Name the primary.'
  return `its PostgreSQL refuses what riskgate needs (${code}): ${wordsOf(error)}.`
}

/** A start that lacked a right after the migrations, as a ConfigError; other errors stay as they are. */
export function explainStart(error: unknown): unknown {
  if (error instanceof ConfigError || !isNotPermitted(error)) return error
  return new ConfigError([`DATABASE_URL: its user lacks a right there (42501). PostgreSQL says: ${wordsOf(error)}. ${RIGHTS}`])
}
