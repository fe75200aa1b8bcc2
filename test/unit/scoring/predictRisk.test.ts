import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors.js'
import type { FeatureValues, RawFeatures } from '../../../src/scoring/features.js'
import type { Application, PredictionRecorder } from '../../../src/scoring/prediction.js'
import { MAX_BATCH_ROWS, PredictRisk, type PredictRiskOptions } from '../../../src/scoring/predictRisk.js'
import { Release, type Releases, type Scorer } from '../../../src/scoring/release.js'
import { contract, manifest } from '../support/domain.js'
import { principalOf } from '../support/gatewaySchema.js'
import { MemoryRecorder } from '../support/memoryRecorder.js'

const PRINCIPAL = { ...principalOf('SCORER'), id: 'web-shop', tenant: 'north' }
const CANARY = 'canary-7391'
const half: Scorer = { score: async rows => rows.map(() => 0.5) }

function createUseCase(
  scorer: Scorer = half,
  recorder: PredictionRecorder = new MemoryRecorder(),
  options: PredictRiskOptions = {},
) {
  const release = new Release(contract, manifest, scorer)
  const releases: Pick<Releases, 'serving'> = {
    serving(model) {
      if (model !== contract.name) throw new AppError('MODEL_NOT_FOUND', 'No model of this name serves here.')
      return release
    },
  }
  return new PredictRisk(releases, recorder, options)
}

function application(features: RawFeatures = {}, rest: Partial<Application> = {}): Application {
  return { applicantId: 'a-1', model: 'test-model', features: { amount: 10, flag: true, ...features }, ...rest }
}

async function problemsOf(given: Application): Promise<[path: string, message: string][]> {
  const error: unknown = await createUseCase()
    .run(given, PRINCIPAL)
    .catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'BAD_USER_INPUT' })
  return (error as AppError).problems.map(({ path, message }) => [path.join('.'), message])
}

/** The recorded prediction of an application. */
async function recordedOf(given: Application) {
  const recorder = new MemoryRecorder()
  await createUseCase(half, recorder).run(given, PRINCIPAL)
  expect(recorder.recorded).toHaveLength(1)
  return recorder.recorded[0]
}

describe('predictRisk', () => {
  it('records the score with the principal, the model version, and the features as they were scored', async () => {
    const recorded = await recordedOf(application({ grade: 'B', count: null, other: 1 }, { channel: 'web' }))
    expect(recorded).toEqual({
      prediction: {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        tenant: 'north',
        applicantId: 'a-1',
        model: 'test-model',
        modelVersion: '1',
        probability: 0.5,
        band: 'T7',
        highRisk: true,
        channel: 'web',
        createdAt: expect.any(Date),
        requestedBy: 'web-shop',
      },
      features: { amount: 10, flag: true, grade: 'B' },
      idempotency: undefined,
    })
  })

  it('makes ids that begin with the time of creation, in ascending order', async () => {
    const recorder = new MemoryRecorder()
    const useCase = createUseCase(half, recorder)
    for (let i = 0; i < 50; i++) await useCase.run(application(), PRINCIPAL)
    const ids = recorder.recorded.map(({ prediction }) => prediction.id)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(50)
    for (const { prediction } of recorder.recorded) {
      expect(Number.parseInt(prediction.id.replace('-', '').slice(0, 12), 16)).toBe(prediction.createdAt.getTime())
    }
  })

  it('answers only after the recorder has answered', async () => {
    let answer = () => {}
    const useCase = createUseCase(half, {
      record: ({ prediction }) => new Promise(resolve => (answer = () => resolve({ prediction, replayed: true }))),
    })
    let isAnswered = false
    const running = useCase.run(application(), PRINCIPAL).then(recorded => {
      isAnswered = true
      return recorded
    })
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(isAnswered).toBe(false)
    answer()
    expect(await running).toMatchObject({ replayed: true })
  })

  it('accepts every printable applicant reference of 1 to 128 characters, in any script', async () => {
    for (const applicantId of ['a', 'ä-ß/7', '申请人 1', '🙂'.repeat(128), 'x'.repeat(128)]) {
      expect((await recordedOf(application({}, { applicantId })))?.prediction.applicantId).toBe(applicantId)
    }
  })

  it.each(['', 'x'.repeat(129), 'a\nb', 'a\u0000', 'a\u200bb', '\ud800', '\u202eabc'])(
    'refuses the applicant reference %j',
    async applicantId => {
      expect(await problemsOf(application({}, { applicantId }))).toEqual([
        ['applicantId', expect.stringContaining('1 to 128 printable')],
      ])
    },
  )

  it.each(['', 'x'.repeat(33), 'web\t'])('refuses the channel %j', async channel => {
    expect(await problemsOf(application({}, { channel }))).toEqual([['channel', expect.stringContaining('1 to 32 printable')]])
  })

  it.each(['', 'x'.repeat(256), 'a b', 'ä', 'a\u0000'])('refuses the idempotency key %j', async idempotencyKey => {
    expect(await problemsOf(application({}, { idempotencyKey }))).toEqual([
      ['idempotencyKey', expect.stringContaining('1 to 255')],
    ])
  })

  it('names every mistake at once and repeats none of the values', async () => {
    const wrong = application(
      { amount: CANARY, grade: CANARY },
      { applicantId: `${CANARY}\n`, channel: CANARY.repeat(9), idempotencyKey: `${CANARY} ` },
    )
    const problems = await problemsOf(wrong)
    expect(problems.map(([path]) => path)).toEqual([
      'applicantId',
      'channel',
      'idempotencyKey',
      'features.testModel.amount',
      'features.testModel.grade',
    ])
    const error: unknown = await createUseCase()
      .run(wrong, PRINCIPAL)
      .catch((reason: unknown) => reason)
    expect(`${(error as Error).message}${JSON.stringify(problems)}`).not.toContain(CANARY)
  })

  it('stores nothing for an application that is refused, cannot be scored, or names an unknown model', async () => {
    const recorder = new MemoryRecorder()
    const invalid = new AppError('MODEL_OUTPUT_INVALID', 'no')
    await expect(createUseCase(half, recorder).run(application({ amount: 0 }), PRINCIPAL)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
    })
    await expect(createUseCase({ score: async () => [invalid] }, recorder).run(application(), PRINCIPAL)).rejects.toBe(invalid)
    await expect(createUseCase(half, recorder).run(application({}, { model: 'other' }), PRINCIPAL)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    expect(recorder.recorded).toEqual([])
  })
})

describe('an idempotency key', () => {
  const digestOf = async (given: Application) => (await recordedOf({ ...given, idempotencyKey: 'k-1' }))?.idempotency?.digest

  it('goes to the recorder with a digest', async () => {
    expect((await recordedOf(application({}, { idempotencyKey: 'k-1' })))?.idempotency).toEqual({
      key: 'k-1',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
  })

  it('has the same digest if the fields are in another order, or null instead of absent', async () => {
    const digest = await digestOf(application({ grade: 'A', count: 1 }))
    expect(await digestOf({ ...application(), features: { count: 1, grade: 'A', flag: true, open: null, amount: 10 } })).toBe(
      digest,
    )
  })

  it.each<[string, Application]>([
    ['applicant', application({}, { applicantId: 'a-2' })],
    ['value', application({ amount: 10.5 })],
    ['feature more', application({ grade: 'A' })],
    ['channel', application({}, { channel: 'web' })],
    ['Boolean', application({ flag: false })],
  ])('has a different digest for a different %s', async (_what, other) => {
    expect(await digestOf(other)).not.toBe(await digestOf(application()))
  })
})

describe('predictRiskBatch', () => {
  it('keeps the order of its rows, and a bad row does not affect the others', async () => {
    const recorder = new MemoryRecorder()
    const scorer: Scorer = {
      score: async rows =>
        rows.map((row: FeatureValues) => (row.amount === 3 ? new AppError('MODEL_OUTPUT_INVALID', 'no') : 0.1)),
    }
    const rows = [1, 0, 3, 4].map(amount => application({ amount }))
    const refused: string[] = []
    const useCase = createUseCase(scorer, recorder, { rowRefused: code => refused.push(code) })
    const results = await useCase.runBatch([...rows, application({}, { model: 'other' })], PRINCIPAL)
    expect(results.map(result => ('problems' in result ? result.problems.map(({ code }) => code) : 'stored'))).toEqual([
      'stored',
      ['BAD_USER_INPUT'],
      ['MODEL_OUTPUT_INVALID'],
      'stored',
      ['MODEL_NOT_FOUND'],
    ])
    expect(recorder.recorded.map(({ features }) => features.amount)).toEqual([1, 4])
    expect(refused.sort()).toEqual(['BAD_USER_INPUT', 'MODEL_NOT_FOUND', 'MODEL_OUTPUT_INVALID'])
  })

  it('scores its rows in a single run', async () => {
    const runs: number[] = []
    const scorer: Scorer = {
      async score(rows) {
        runs.push(rows.length)
        return rows.map(() => 0.1)
      },
    }
    await createUseCase(scorer).runBatch(
      Array.from({ length: MAX_BATCH_ROWS }, () => application()),
      PRINCIPAL,
    )
    expect(runs).toEqual([100])
  })

  it.each([0, MAX_BATCH_ROWS + 1])('of %d rows is refused as a whole, and stores nothing', async length => {
    const recorder = new MemoryRecorder()
    const batch = Array.from({ length }, () => application())
    await expect(createUseCase(half, recorder).runBatch(batch, PRINCIPAL)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      problems: [{ path: ['items'] }],
    })
    expect(recorder.recorded).toEqual([])
  })
})
