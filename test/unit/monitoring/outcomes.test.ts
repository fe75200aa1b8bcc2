import { describe, expect, it } from 'vitest'
import { AppError, type ErrorCode } from '../../../src/errors.js'
import { type NewOutcome, RecordOutcomes } from '../../../src/monitoring/outcomes.js'
import { principalOf, STORED } from '../support/gatewaySchema.js'

const REPORT = { predictionId: STORED.id, defaulted: true, observedAt: STORED.createdAt }
const scorer = principalOf('SCORER')

/** The use case over a store whose writes fail with `error` after the first `good` ones. */
function recordOutcomes(error?: Error, good = 0) {
  const asked: unknown[] = []
  const record = async (...call: [unknown, string, readonly NewOutcome[]]) => {
    asked.push(call)
    if (error && asked.length > good) throw error
    const [, recordedBy, outcomes] = call
    return new Map(outcomes.map(outcome => [outcome.predictionId, { prediction: STORED, outcome: { ...outcome, recordedBy } }]))
  }
  return { asked, useCase: new RecordOutcomes({ record }) }
}

describe('the recording of outcomes', () => {
  it.each<ErrorCode>(['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN'])(
    'fails with %s if the store does: a single outcome as a whole, a list row by row',
    async code => {
      const { useCase } = recordOutcomes(new AppError(code, 'Retry with the same idempotency key.'))
      await expect(useCase.run(REPORT, scorer)).rejects.toMatchObject({ code })
      expect(await useCase.runAll([REPORT, { ...REPORT, predictionId: undefined }], scorer)).toMatchObject([
        { problems: [{ code, path: [] }] },
        { problems: [{ code: 'NOT_FOUND' }] },
      ])
    },
  )

  it('asks the caller to repeat the call, with no word of an idempotency key, if the commit is unknown', async () => {
    const { useCase } = recordOutcomes(new AppError('OUTCOME_UNKNOWN', 'Retry with the same idempotency key.'))
    await expect(useCase.run(REPORT, scorer)).rejects.toThrow('a repeat changes nothing')
  })

  it('stores a long list part by part, in order, and stops at the first part that fails', async () => {
    const reports = Array.from({ length: 1_000 }, (_, i) => ({ ...REPORT, predictionId: `prediction-${i}` }))
    const whole = recordOutcomes()
    await whole.useCase.runAll(reports, scorer)
    expect(whole.asked.map(call => (call as unknown[])[2])).toEqual(
      Array.from({ length: 10 }, (_, i) => reports.slice(i * 100, (i + 1) * 100)),
    )
    const broken = recordOutcomes(new AppError('SERVICE_UNAVAILABLE', 'The store is not available.'), 2)
    const answers = await broken.useCase.runAll(reports, scorer)
    expect(broken.asked).toHaveLength(3)
    expect(answers.map(answer => 'problems' in answer)).toEqual(reports.map((_, i) => i >= 200))
  })

  it('fails as a whole on an unexpected error', async () => {
    const { useCase } = recordOutcomes(new Error('broken'))
    await expect(useCase.runAll([REPORT], scorer)).rejects.toThrow('broken')
  })

  it('stores each outcome once, only for predictions that the caller may see, and calls no store for none', async () => {
    const { asked, useCase } = recordOutcomes()
    await useCase.runAll([REPORT, REPORT, { ...REPORT, predictionId: undefined }], scorer)
    expect(asked).toEqual([[{ tenant: 'default', requestedBy: 'test-client' }, 'test-client', [REPORT]]])
    await useCase.runAll([{ ...REPORT, predictionId: undefined }], scorer)
    expect(asked).toHaveLength(1)
  })
})
