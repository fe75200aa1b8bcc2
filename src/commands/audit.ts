import { loadConfig } from '../config/config.js'
import { type AuditReport, verifyAudit } from '../storage/audit/auditVerification.js'
import { withDatabase } from './commandDatabase.js'

const EXIT_NOT_WHOLE = 1

/** Computes all seals of the audit again, and says whether they fit the entries. `head`: the hash of a seal that must be there. */
export async function verify(head: string | undefined): Promise<void> {
  const report = await withDatabase(loadConfig(), false, database => verifyAudit(database, head))
  process.exitCode = tell(report, head)
}

/** Answers the exit code. */
function tell(report: AuditReport, expectedHead: string | undefined): number {
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
  if (isCut) process.stderr.write('riskgate: No seal has the hash of --head: the chain was made anew, or cut off before it.\n')
  return isWhole ? 0 : EXIT_NOT_WHOLE
}
