import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AppError } from '../../../../src/errors.js'
import type { Database } from '../../../../src/storage/postgres/database.js'
import { PredictionStore } from '../../../../src/storage/predictions/predictionStore.js'
import { newPrediction } from '../../../support/stores.js'

const ROWS_A_STATEMENT = 256
const STATEMENTS_AT_ONCE = 2

/** A store over a database whose statements end when the test says so. */
function storeOver(write: () => Promise<never>): PredictionStore {
  return new PredictionStore({
    database: { write } as unknown as Database,
    audit: { write: async () => {} },
    committed: async () => {},
    observeCommit: () => {},
  })
}

/** Records rows, and notes the code that each gets with the time. */
function record(store: PredictionStore, rows: number): { code: string; ms: number }[] {
  const ended: { code: string; ms: number }[] = []
  const startedAt = Date.now()
  for (let row = 0; row < rows; row++) {
    store.record(newPrediction()).catch((error: AppError) => ended.push({ code: error.code, ms: Date.now() - startedAt }))
  }
  return ended
}

describe('the store of predictions', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('answers in time where no statement ends: a row that was sent is unknown, a row that was not is refused', async () => {
    const store = storeOver(() => new Promise(() => {}))
    const ended = record(store, STATEMENTS_AT_ONCE * ROWS_A_STATEMENT + 3)
    await vi.advanceTimersByTimeAsync(1_500)
    expect(ended.slice(0, 3)).toEqual(Array(3).fill({ code: 'SERVICE_UNAVAILABLE', ms: 1_000 }))
    expect(ended.slice(3)).toEqual(Array(STATEMENTS_AT_ONCE * ROWS_A_STATEMENT).fill({ code: 'OUTCOME_UNKNOWN', ms: 1_400 }))
    expect(store.queued).toBe(0)
  })

  it('sends no waiting row after a statement that failed because the store is away', async () => {
    const write = vi.fn(async () => {
      await new Promise(resolve => setTimeout(resolve, 500))
      throw new AppError('OUTCOME_UNKNOWN', 'away')
    })
    const ended = record(storeOver(write), STATEMENTS_AT_ONCE * ROWS_A_STATEMENT + 3)
    await vi.advanceTimersByTimeAsync(1_500)
    expect(write).toHaveBeenCalledTimes(STATEMENTS_AT_ONCE)
    expect(ended.filter(({ code }) => code === 'SERVICE_UNAVAILABLE')).toEqual(
      Array(3).fill({ code: 'SERVICE_UNAVAILABLE', ms: 500 }),
    )
    expect(ended).toHaveLength(STATEMENTS_AT_ONCE * ROWS_A_STATEMENT + 3)
  })
})
