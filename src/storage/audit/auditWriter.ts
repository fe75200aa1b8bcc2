import { Batcher } from '../../concurrency/batcher.js'
import { AppError } from '../../errors.js'
import type { Database } from '../postgres/database.js'
import { auditInsertOf, type NewAuditEntry } from './auditEntries.js'

// Each entry has at most 100 ids: a statement stays below 100 ms.
const MAX_ENTRIES_A_STATEMENT = 128
// The caller has waited for its rows already.
const LONGEST_WAIT_MS = 1_000

/** Writes audit entries that record reads, joining those of concurrent calls into one statement. */
export class AuditWriter {
  readonly #database: Database
  readonly #failed: (error: unknown) => void
  readonly #batcher = new Batcher<NewAuditEntry, true>(entries => this.#insert(entries), {
    maxItems: MAX_ENTRIES_A_STATEMENT,
    maxRunning: 1,
    waitLimit: { longestWaitMs: LONGEST_WAIT_MS, tooLong: unavailable },
  })

  /** `failed` is called with unexpected errors. */
  constructor(database: Database, failed: (error: unknown) => void) {
    this.#database = database
    this.#failed = failed
  }

  /**
   * Resolves after commit.
   * @throws AppError SERVICE_UNAVAILABLE: these reads must not be answered; some entries may be stored all the same
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
      // An entry that cannot be stored must not fail its neighbours: each is written alone.
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
