import { Batcher } from '../../concurrency/batcher.js'
import { AppError } from '../../errors.js'
import type { Database } from '../postgres/database.js'
import { auditInsertOf, type NewAuditEntry } from './auditEntries.js'

// Of at most 100 ids each: a statement stays below 100 ms.
const MAX_ENTRIES_A_STATEMENT = 128

/** Writes entries of the audit that tell of no change, joining those of concurrent calls into one statement. */
export class AuditWriter {
  readonly #database: Database
  readonly #failed: (error: unknown) => void
  readonly #batcher = new Batcher<NewAuditEntry, true>(entries => this.#insert(entries), {
    maxItems: MAX_ENTRIES_A_STATEMENT,
    maxRunning: 1,
  })

  /** `failed` is told of what nobody expected. */
  constructor(database: Database, failed: (error: unknown) => void) {
    this.#database = database
    this.#failed = failed
  }

  /**
   * Answers after commit.
   * @throws AppError SERVICE_UNAVAILABLE: what the entries tell of must not happen; some of them may be there
   */
  async write(entries: readonly NewAuditEntry[]): Promise<void> {
    await Promise.all(entries.map(entry => this.#batcher.submit(entry)))
  }

  async #insert(entries: readonly NewAuditEntry[]): Promise<(true | Error)[]> {
    try {
      await this.#database.write(({ sql }) => auditInsertOf(sql, entries))
      return entries.map(() => true)
    } catch (error) {
      if (error instanceof AppError) {
        this.#batcher.giveUp(unavailable())
        throw unavailable()
      }
      // One that cannot be stored never fails its neighbours: each alone.
      if (entries.length > 1) {
        return (await Promise.all(entries.map(entry => this.#insert([entry]).catch((failed: Error) => [failed])))).flat()
      }
      this.#failed(error)
      throw unavailable()
    }
  }
}

function unavailable(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The audit cannot be written at the moment, so nothing is shown. Try again shortly.')
}
