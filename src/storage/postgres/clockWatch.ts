import type { Database } from './database.js'
import { databaseTime } from './instants.js'

const MOST_MS = 60_000
// A clock that is wrong by about a minute must not be right and wrong in turn.
const RIGHT_AGAIN_MS = 50_000

/**
 * Compares the clock of this process with that of Postgres, which all replicas share. While they differ by over a minute, `now` goes
 * by the clock of Postgres: predictions with wrong times would be removed too early.
 */
export class ClockWatch {
  readonly #database: Database
  readonly #wrong: (aheadSeconds: number) => void
  /** Negative when the clock of this process is behind. */
  #aheadMs = 0
  #isWrong = false

  /** `wrong` is called when the clock begins to differ. */
  constructor(database: Database, wrong: (aheadSeconds: number) => void) {
    this.#database = database
    this.#wrong = wrong
  }

  get isRight(): boolean {
    return !this.#isWrong
  }

  /** Negative when the clock of this process is behind that of Postgres. */
  get aheadSeconds(): number {
    return this.#aheadMs / 1_000
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => Date.now() - (this.#isWrong ? this.#aheadMs : 0)

  /** What is wrong with the clock; nothing when it is right. */
  problems(): string[] {
    const seconds = Math.round(Math.abs(this.#aheadMs) / 1_000)
    const side = this.#aheadMs > 0 ? 'ahead of' : 'behind'
    return this.#isWrong ? [`The clock here is ${seconds} s ${side} that of Postgres: no upkeep runs until it is set`] : []
  }

  /** @throws AppError SERVICE_UNAVAILABLE */
  async look(): Promise<void> {
    const before = Date.now()
    const there = await this.#database.readAhead(({ sql }) => databaseTime(sql))
    this.#aheadMs = aheadMs(there, before, Date.now())
    const wasWrong = this.#isWrong
    this.#isWrong = Math.abs(this.#aheadMs) > (wasWrong ? RIGHT_AGAIN_MS : MOST_MS)
    if (this.#isWrong && !wasWrong) this.#wrong(Math.round(this.#aheadMs / 1_000))
  }
}

/** Postgres looked at its clock between two looks here. Where its time lies between theirs, the clocks may be the same. */
function aheadMs(there: number, before: number, after: number): number {
  if (there < before) return before - there
  return there > after ? after - there : 0
}
