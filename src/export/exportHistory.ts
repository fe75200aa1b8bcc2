import { userInfo } from 'node:os'
import { openCommandDatabase } from '../commandDatabase.js'
import type { Config } from '../config.js'
import { AppError } from '../errors.js'
import { loadContracts } from '../releases/modelFolder.js'
import { Database } from '../storage/database.js'
import { type ExportQuery, ExportReader } from '../storage/exportReader.js'
import { isMissingTable, postgresErrorCode } from '../storage/postgresErrors.js'
import { Interruption } from './interruption.js'
import { fileOutput, type Output, ReaderGoneError, standardOutput } from './output.js'
import { type Progress, showProgress } from './progress.js'
import { type ExportFormat, type RowFormat, rowFormat } from './rowFormat.js'

const CONNECTIONS = 4

export interface ExportOptions {
  readonly tenant: string
  readonly from: Date
  readonly to: Date
  readonly format: ExportFormat
  /** Absent: standard output. */
  readonly output?: string | undefined
  readonly features: boolean
  readonly quiet: boolean
}

/**
 * Writes the history of a tenant, oldest first, in constant memory. Answers the exit code: 0, or that of the signal it ended for.
 * @throws ConfigError when there is no database to read; Error with a sentence for anything else
 */
export async function exportHistory(config: Config, options: ExportOptions): Promise<number> {
  const { tenant, from, to, features: withFeatures, format, quiet } = options
  const interruption = new Interruption()
  const names = withFeatures ? await featureNames(config) : undefined
  const waiting = (code: string) => quiet || process.stderr.write(`riskgate: waiting for the database (${code})\n`)
  const { url, leave } = await openCommandDatabase(config, waiting)
  const database = new Database({ url, poolSize: CONNECTIONS, warn: () => {} })
  try {
    return await new HistoryExport({
      reader: new ExportReader(database),
      query: { tenant, from, to, withFeatures },
      format,
      rowFormat: rowFormat(format, names),
      output: options.output === undefined ? standardOutput() : await fileOutput(options.output),
      // On a terminal the rows themselves show it.
      progress: showProgress(to, quiet || (options.output === undefined && process.stdout.isTTY)),
      interruption,
    }).run()
  } catch (error) {
    throw explained(error)
  } finally {
    await database.close()
    await leave()
  }
}

interface Parts {
  readonly reader: ExportReader
  readonly query: ExportQuery
  readonly format: ExportFormat
  readonly rowFormat: RowFormat
  readonly output: Output
  readonly progress: Progress
  readonly interruption: Interruption
}

class HistoryExport {
  readonly #parts: Parts
  #rows = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async run(): Promise<number> {
    const { reader, query, format, output, progress, interruption } = this.#parts
    try {
      await reader.audit(query, principal(), format)
      try {
        await this.#write()
      } finally {
        progress.stop()
        await reader.audit(query, principal(), format, this.#rows)
      }
      if (interruption.exitCode !== undefined) return interruption.exitCode
      await output.keep()
      progress.done(this.#rows)
      return 0
    } catch (error) {
      if (error instanceof ReaderGoneError) return 0
      if (interruption.exitCode !== undefined) return interruption.exitCode
      throw error
    } finally {
      await output.discard()
    }
  }

  async #write(): Promise<void> {
    const { reader, query, rowFormat, output, progress, interruption } = this.#parts
    const pages = reader.pages(query)
    let next = pages.next()
    await output.write(rowFormat.header)
    for (;;) {
      const { value: page, done } = await interruption.orDone(next)
      if (done || interruption.exitCode !== undefined) return
      // The next page is read while this one is written.
      next = pages.next()
      next.catch(() => {})
      this.#rows += page.length
      await interruption.orDone(output.write(rowFormat.lines(page)))
      progress.advance(this.#rows, (page.at(-1) as { createdAt: Date }).createdAt)
    }
  }
}

async function featureNames({ modelsDirectory }: Config): Promise<string[]> {
  const contracts = await loadContracts(modelsDirectory)
  return [...new Set(contracts.flatMap(({ features }) => features.map(({ name }) => name)))]
}

/** Who is noted in the audit: the user of the operating system. */
function principal(): string {
  try {
    return `cli:${userInfo().username}`
  } catch {
    return `cli:uid-${process.getuid?.()}`
  }
}

function explained(error: unknown): unknown {
  if (isMissingTable(error))
    return new Error('This database is not of this version: run `riskgate migrate`, or start the gateway.')
  // Messages of the database may hold parameters.
  const code = postgresErrorCode(error)
  if (error instanceof AppError || code === 'UNKNOWN' || /^E[A-Z]+$/.test(code)) return error
  return new Error(`The history could not be read (${code}).`)
}
