import { type Config, loadConfig } from '../../config/config.js'
import { readModelFolders } from '../../releases/files/modelFolders.js'
import type { Database } from '../../storage/postgres/database.js'
import { type ExportQuery, ExportReader } from '../../storage/predictions/exportReader.js'
import { PostgresVersionStore } from '../../storage/releases/versionStore.js'
import { operator, withDatabase } from '../commandDatabase.js'
import type { ExportFormat } from './exportFormat.js'
import { Interruption } from './interruption.js'
import { fileOutput, type Output, ReaderGoneError, standardOutput } from './output.js'
import { type Progress, showProgress } from './progress.js'
import { type RowFormat, rowFormat } from './rowFormat.js'
import { spreadsheetOf, systemLocale } from './spreadsheet.js'

export interface ExportOptions {
  readonly tenant: string
  readonly from: Date
  readonly to: Date
  readonly format: ExportFormat
  /** Absent: standard output. */
  readonly output?: string | undefined
  readonly features: boolean
  /** CSV as spreadsheets read it. */
  readonly excel: boolean
  /** That of the spreadsheet; absent: that of the user's environment. */
  readonly locale?: string | undefined
  readonly quiet: boolean
}

/**
 * Writes the history of a tenant, oldest first, in constant memory. Returns the exit code: 0, or that of the signal that ended
 * it.
 * @throws ConfigError when there is no database to read; Error with a sentence for anything else
 */
export async function exportHistory(options: ExportOptions): Promise<number> {
  const config = loadConfig()
  const { tenant, from, to, features: withFeatures, format, quiet, excel, locale = systemLocale() } = options
  const interruption = new Interruption()
  return withDatabase(config, quiet, async database => {
    const names = withFeatures ? await featureNames(config, database) : undefined
    return new HistoryExport({
      reader: new ExportReader(database),
      query: { tenant, from, to, withFeatures },
      format: excel ? 'excel' : format,
      rowFormat: rowFormat(format, names, excel ? spreadsheetOf(locale) : undefined),
      output: options.output === undefined ? standardOutput() : await interruption.orDone(fileOutput(options.output)),
      // On a terminal the rows themselves show the progress.
      progress: showProgress(to, quiet || (options.output === undefined && process.stdout.isTTY)),
      interruption,
    }).run()
  }).catch((error: unknown) => {
    // The signal came before the export had an output, while it waited for the reader of a pipe.
    if (interruption.exitCode !== undefined) return interruption.exitCode
    throw error
  })
}

interface Parts {
  readonly reader: ExportReader
  readonly query: ExportQuery
  /** As the audit names it. */
  readonly format: ExportFormat | 'excel'
  readonly rowFormat: RowFormat
  readonly output: Output
  readonly progress: Progress
  readonly interruption: Interruption
}

class HistoryExport {
  readonly #parts: Parts
  /** Rows that were given out. */
  #rows = 0
  /** Rows of a page that is being written: when that is interrupted, some of them may have been given out. */
  #rowsUnderWay = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async run(): Promise<number> {
    const { reader, query, format, output, progress, interruption } = this.#parts
    try {
      await reader.audit(query, operator(), format)
      try {
        await this.#write()
      } finally {
        progress.stop()
        await reader.audit(query, operator(), format, { rows: this.#rows, rowsUnderWay: this.#rowsUnderWay })
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
    await interruption.orDone(output.write(rowFormat.header))
    for (;;) {
      const { value: page, done } = await interruption.orDone(next)
      if (done || interruption.exitCode !== undefined) return
      // The next page is read while this one is written.
      next = pages.next()
      next.catch(() => {})
      this.#rowsUnderWay = page.length
      await interruption.orDone(output.write(rowFormat.lines(page)))
      this.#rows += page.length
      this.#rowsUnderWay = 0
      progress.advance(this.#rows, (page.at(-1) as { createdAt: Date }).createdAt)
    }
  }
}

/** Those of the models folder, and of the versions in the store, whose folders may be gone. */
async function featureNames({ modelsDirectory }: Config, database: Database): Promise<string[]> {
  // Features of a model whose contract cannot be read have the column of the others.
  const { models } = await readModelFolders(modelsDirectory).catch(() => ({ models: [] }))
  const { versions } = await new PostgresVersionStore(database).state()
  const contracts = [...models, ...versions].flatMap(({ contract }) => contract ?? [])
  return [...new Set(contracts.flatMap(({ features }) => features.map(({ name }) => name)))]
}
