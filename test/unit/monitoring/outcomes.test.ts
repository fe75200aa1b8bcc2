import { describe, expect, it } from 'vitest'
import { AppError, type ErrorCode } from '../../../src/errors.js'
import { type NewOutcome, RecordOutcomes } from '../../../src/monitoring/outcomes.js'
import { principalOf, STORED } from '../support/gatewaySchema.js'

const REPORT = { predictionId: STORED.id, defaulted: true, observedAt: STORED.createdAt }
const scorer = principalOf('SCORER')

/** Over a store whose writes end like this, the first ones well. */
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

describe('outcomes', () => {
  it.each<ErrorCode>(['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN'])(
    'that met %s fail with it, alone or each in a list',
    async code => {
      const { useCase } = recordOutcomes(new AppError(code, 'Retry with the same idempotency key.'))
      await expect(useCase.run(REPORT, scorer)).rejects.toMatchObject({ code })
      expect(await useCase.runAll([REPORT, { ...REPORT, predictionId: undefined }], scorer)).toMatchObject([
        { problems: [{ code, path: [] }] },
        { problems: [{ code: 'NOT_FOUND' }] },
      ])
    },
  )

  it('whose store left unknown whether they are recorded are to be sent again, not to be asked for by a key', async () => {
    const { useCase } = recordOutcomes(new AppError('OUTCOME_UNKNOWN', 'Retry with the same idempotency key.'))
    await expect(useCase.run(REPORT, scorer)).rejects.toThrow('a repeat changes nothing')
  })

  it('of a long list are stored part by part, in order, and no part is tried after one that failed', async () => {
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

  it('that failed as nobody expected fail as a whole', async () => {
    const { useCase } = recordOutcomes(new Error('broken'))
    await expect(useCase.runAll([REPORT], scorer)).rejects.toThrow('broken')
  })

  it('are stored for the eyes of the caller, once each, and not at all where none is left', async () => {
    const { asked, useCase } = recordOutcomes()
    await useCase.runAll([REPORT, REPORT, { ...REPORT, predictionId: undefined }], scorer)
    expect(asked).toEqual([[{ tenant: 'default', requestedBy: 'test-client' }, 'test-client', [REPORT]]])
    await useCase.runAll([{ ...REPORT, predictionId: undefined }], scorer)
    expect(asked).toHaveLength(1)
  })
})
