import { type Command, InvalidArgumentError } from 'commander'
import { loadConfig } from '../config.js'
import { type AuditReport, verifyAudit } from '../storage/audit/auditVerification.js'
import { withDatabase } from './database.js'

const EXIT_NOT_WHOLE = 1

/** For auditors and operators. */
export function addAuditCommand(program: Command): void {
  const audit = program.command('audit').description('work with the audit')
  audit
    .command('verify')
    .description('compute all seals of the audit again, and say whether they fit the entries')
    .option('--head <hash>', 'the hash of a seal as a log noted it: it must be one of the chain', parseHash)
    .action(async ({ head }: { head?: string }) => {
      const report = await withDatabase(loadConfig(), false, database => verifyAudit(database, head))
      process.exitCode = tell(report, head)
    })
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

function parseHash(value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError('It must be 64 hexadecimal digits, as a log line has them.')
  return value
}
