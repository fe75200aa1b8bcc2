import { Command, InvalidArgumentError } from 'commander'
import { openCommandDatabase } from './commandDatabase.js'
import { type Config, loadConfig } from './config.js'
import { AppError } from './errors.js'
import { type AuditReport, verifyAudit } from './storage/auditVerification.js'
import { Database } from './storage/database.js'
import { isMissingTable, postgresErrorCode } from './storage/postgresErrors.js'

const CONNECTIONS = 4
const EXIT_NOT_WHOLE = 1

interface VerifyOptions {
  readonly head?: string
}

/** `riskgate audit …` */
export function auditCommand(): Command {
  const audit = new Command('audit').description('work with the audit')
  audit
    .command('verify')
    .description('compute all seals of the audit again, and say whether they fit the entries')
    .option('--head <hash>', 'the hash of a seal as a log noted it: it must be one of the chain', parseHash)
    .action(async (options: VerifyOptions) => {
      process.exitCode = await verify(loadConfig(), options)
    })
  return audit
}

/** Answers the exit code. */
async function verify(config: Config, { head }: VerifyOptions): Promise<number> {
  const waiting = (code: string) => void process.stderr.write(`riskgate: waiting for the database (${code})\n`)
  const { url, leave } = await openCommandDatabase(config, waiting)
  const database = new Database({ url, poolSize: CONNECTIONS, warn: () => {} })
  try {
    return tell(await verifyAudit(database, head), head)
  } catch (error) {
    throw explained(error)
  } finally {
    await database.close()
    await leave()
  }
}

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

function explained(error: unknown): unknown {
  if (isMissingTable(error))
    return new Error('This database is not of this version: run `riskgate migrate`, or start the gateway.')
  // Messages of the database may hold parameters.
  const code = postgresErrorCode(error)
  return error instanceof AppError || code === 'UNKNOWN' ? error : new Error(`The audit could not be read (${code}).`)
}
