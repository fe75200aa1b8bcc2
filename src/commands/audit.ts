import { loadConfig } from '../config/config.js'
import { type AuditReport, verifyAudit } from '../storage/audit/auditVerification.js'
import { withDatabaseUntilSignal } from './commandDatabase.js'

const EXIT_NOT_WHOLE = 1

/**
 * Computes all seals of the audit again, and reports whether they fit the entries. `head` is the hash of a seal that must exist.
 */
export async function verify(head: string | undefined): Promise<void> {
  const report = await withDatabaseUntilSignal(loadConfig(), database => verifyAudit(database, head))
  process.exitCode = printReport(report, head)
}

/** Prints the report. Returns the exit code. */
function printReport(report: AuditReport, expectedHead: string | undefined): number {
  const { entries, seals, head, unsealed, oldestUnsealedAt, problem, isHeadFound } = report
  const isCut = problem === undefined && expectedHead !== undefined && !isHeadFound
  const isWhole = problem === undefined && !isCut
  const lines = [
    `entries     ${entries}`,
    `seals       ${seals}`,
    `head        ${head ? `${head.number} ${head.hash}` : 'none'}`,
    ...(problem === undefined
      ? [`not sealed  ${unsealed}${oldestUnsealedAt ? `, since ${oldestUnsealedAt.toISOString()}` : ''}`]
      : []),
    ...(isWhole ? ['The audit is whole.'] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  if (problem !== undefined) process.stderr.write(`riskgate: The audit is not whole. ${problem}\n`)
  if (isCut)
    process.stderr.write('riskgate: No seal has the hash of --head: the chain was rebuilt, or cut off before that seal.\n')
  return isWhole ? 0 : EXIT_NOT_WHOLE
}
