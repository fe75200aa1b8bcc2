import { type Principal, type Visibility, visibilityOf } from '../auth/principal.js'
import { AppError, badInput, inputProblem, type Problem } from '../errors.js'
import type { Outcome, Prediction } from '../scoring/prediction.js'

export const MAX_OUTCOMES = 1_000
// A write lasts at most 100 ms, even when a million rows are no longer in memory: the alert feed cannot pass an open one.
const MAX_ROWS_A_WRITE = 100
// A reporter's clock may be a little ahead of ours.
const CLOCK_SKEW_MS = 60_000

/** What became of a loan, as a caller reports it. */
export interface OutcomeReport {
  /** Undefined for a text that is not one of our ids, and so belongs to no prediction. */
  readonly predictionId: string | undefined
  readonly defaulted: boolean
  readonly observedAt: Date
}

export type NewOutcome = OutcomeReport & { readonly predictionId: string }

/** A prediction that the caller may see, with the outcome that it has now. */
export interface RecordedOutcome {
  readonly prediction: Prediction
  readonly outcome: Outcome | null
}

/** Stores outcomes durably, with their audit entries and their share of the statistics. */
export interface OutcomeRecorder {
  /**
   * Answers after commit, by prediction id; no entry for one that is not visible. An outcome observed before its prediction was made
   * changes nothing, and neither does one that is recorded already. Ids must not repeat.
   */
  record(
    visibility: Visibility,
    recordedBy: string,
    outcomes: readonly NewOutcome[],
  ): Promise<ReadonlyMap<string, RecordedOutcome>>
}

/** Records outcomes: the last report for a loan counts, and each report is audited. */
export class RecordOutcomes {
  readonly #recorder: OutcomeRecorder
  readonly #now: () => number

  /** `now` gives milliseconds since 1970. */
  constructor(recorder: OutcomeRecorder, now: () => number = Date.now) {
    this.#recorder = recorder
    this.#now = now
  }

  /** @throws AppError BAD_USER_INPUT, NOT_FOUND, SERVICE_UNAVAILABLE (not recorded) or OUTCOME_UNKNOWN (send it again) */
  async run(report: OutcomeReport, principal: Principal): Promise<RecordedOutcome> {
    const [answer] = await this.#record([report], principal)
    if (!answer || answer instanceof AppError) throw answer
    return answer
  }

  /**
   * Records 1..1,000 outcomes in order; a refused one is answered with its own problems and stops no other.
   * @throws AppError BAD_USER_INPUT for an empty or longer list
   */
  async runAll(reports: readonly OutcomeReport[], principal: Principal): Promise<(RecordedOutcome | { problems: Problem[] })[]> {
    if (reports.length === 0 || reports.length > MAX_OUTCOMES) {
      throw badInput(inputProblem(`Record 1 to ${MAX_OUTCOMES} outcomes in one call.`, 'items'))
    }
    const answers = await this.#record(reports, principal)
    return answers.map(answer => (answer instanceof AppError ? { problems: problemsOf(answer) } : answer))
  }

  async #record(reports: readonly OutcomeReport[], principal: Principal): Promise<(RecordedOutcome | AppError)[]> {
    const checked = checkAll(reports, this.#now() + CLOCK_SKEW_MS)
    const sound = checked.filter((row): row is NewOutcome => !(row instanceof AppError))
    const recorded = await this.#store(sound, principal)
    return checked.map(row => {
      if (row instanceof AppError) return row
      const found = recorded.get(row.predictionId) ?? notFound()
      if (found instanceof AppError) return found
      if (row.observedAt < found.prediction.createdAt) return tooEarly()
      return found
    })
  }

  /** Stores part by part. A failure is the answer for all later rows too: each part would wait again for a store that is away. */
  async #store(outcomes: readonly NewOutcome[], principal: Principal): Promise<ReadonlyMap<string, RecordedOutcome | AppError>> {
    const answers = new Map<string, RecordedOutcome | AppError>()
    for (let first = 0; first < outcomes.length; first += MAX_ROWS_A_WRITE) {
      const part = outcomes.slice(first, first + MAX_ROWS_A_WRITE)
      try {
        const recorded = await this.#recorder.record(visibilityOf(principal), principal.id, part)
        for (const [id, answer] of recorded) answers.set(id, answer)
      } catch (error) {
        const failure = expected(error)
        for (const { predictionId } of outcomes.slice(first)) answers.set(predictionId, failure)
        break
      }
    }
    return answers
  }
}

function expected(error: unknown): AppError {
  if (!(error instanceof AppError)) throw error
  if (error.code !== 'OUTCOME_UNKNOWN') return error
  return new AppError('OUTCOME_UNKNOWN', 'The store did not confirm. Send the outcome again: a repeat changes nothing.')
}

function checkAll(reports: readonly OutcomeReport[], latest: number): (NewOutcome | AppError)[] {
  const seen = new Set<string>()
  return reports.map(({ predictionId, defaulted, observedAt }) => {
    if (predictionId === undefined) return notFound()
    if (seen.has(predictionId)) {
      return badInput(inputProblem('This prediction is in the list already. Send one outcome for each.', 'predictionId'))
    }
    seen.add(predictionId)
    if (observedAt.getTime() > latest) return badTime('observedAt must not be in the future.')
    // No prediction was made before 1970, and the database has no year 0.
    if (observedAt.getTime() < 0) return tooEarly()
    return { predictionId, defaulted, observedAt }
  })
}

function tooEarly(): AppError {
  return badTime('observedAt must not be before the prediction was made.')
}

function badTime(message: string): AppError {
  return badInput(inputProblem(message, 'observedAt'))
}

function notFound(): AppError {
  const message = 'There is no prediction with this id. Send the id that predictRisk returned.'
  return new AppError('NOT_FOUND', message, { problems: [{ code: 'NOT_FOUND', message, path: ['predictionId'] }] })
}

function problemsOf({ code, message, problems }: AppError): Problem[] {
  return problems.length > 0 ? [...problems] : [{ code, message, path: [] }]
}
