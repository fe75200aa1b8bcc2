import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, goldenRows, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { PredictRiskBatchDocument } from '../support/generated/operations.js'
import { storedRows } from '../support/stored.js'

describe('predictRiskBatch', () => {
  let gateway: TestGateway
  let scorer: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    scorer = await gateway.as({ roles: ['SCORER'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const batch = async (items: readonly ReturnType<typeof application>[]) =>
    (await scorer.data(PredictRiskBatchDocument, { items: [...items] })).predictRiskBatch.results

  it('keeps the order of a hundred different applications', async () => {
    const rows = goldenRows('2').slice(0, 100)
    const results = await batch(rows.map(({ features }, i) => application(`order-${i}`, features)))
    expect(results.map(({ index }) => index)).toEqual(rows.map((_, i) => i))
    results.forEach(({ prediction, errors, replayed }, i) => {
      expect(prediction?.applicantId).toBe(`order-${i}`)
      expect(prediction?.probability).toBeCloseTo(rows[i]?.probability ?? Number.NaN, 5)
      expect({ errors, replayed }).toEqual({ errors: [], replayed: false })
    })
    expect(new Set(results.map(({ prediction }) => prediction?.id)).size).toBe(100)
  })

  it('answers a bad row with its own errors, and stores the other rows', async () => {
    const before = await storedRows(gateway)
    const results = await batch([
      application('one'),
      application('two', { ...LOW_RISK, home: 'castle', time: 0 }),
      application('three', HIGH_RISK),
    ])
    expect(results.map(({ prediction }) => prediction?.applicantId)).toEqual(['one', undefined, 'three'])
    expect(results[1]).toEqual({
      index: 1,
      replayed: false,
      prediction: null,
      errors: [
        {
          code: 'BAD_USER_INPUT',
          message: 'home must be one of: rent, owner, priv, ignore, parents, other.',
          path: ['features', 'consumerCredit', 'home'],
        },
        { code: 'BAD_USER_INPUT', message: 'time must be at least 1.', path: ['features', 'consumerCredit', 'time'] },
      ],
    })
    expect(await storedRows(gateway)).toEqual({
      ...before,
      predictions: (before.predictions ?? 0) + 2,
      alerts: (before.alerts ?? 0) + 1,
    })
  })

  it('stores ninety of a hundred rows if ten are bad, each with its own errors', async () => {
    const before = await storedRows(gateway)
    const isBad = (i: number) => i % 10 === 7
    const results = await batch(
      Array.from({ length: 100 }, (_, i) => application(`mixed-${i}`, isBad(i) ? { ...LOW_RISK, seniority: -1 - i } : LOW_RISK)),
    )
    results.forEach(({ prediction, errors }, i) => {
      expect(prediction?.applicantId).toBe(isBad(i) ? undefined : `mixed-${i}`)
      expect(errors.map(({ path }) => path?.join('.'))).toEqual(isBad(i) ? ['features.consumerCredit.seniority'] : [])
    })
    expect((await storedRows(gateway)).predictions).toBe((before.predictions ?? 0) + 90)
  })

  it('answers only with errors if every row is bad', async () => {
    const before = await storedRows(gateway)
    const results = await batch([application(''), application('x'.repeat(129))])
    expect(results.map(({ errors }) => errors.map(({ path }) => path))).toEqual([[['applicantId']], [['applicantId']]])
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each([0, 101, 1_000])('refuses a batch of %i rows, and stores nothing', async size => {
    const before = await storedRows(gateway)
    const items = Array.from({ length: size }, (_, i) => application(`too-${i}`, HIGH_RISK))
    const { status, errors } = await scorer.request(PredictRiskBatchDocument, { items })
    expect(status).toBe(400)
    expect(errors).toMatchObject([
      { path: ['predictRiskBatch'], extensions: { code: 'BAD_USER_INPUT', problems: [{ path: ['items'] }] } },
    ])
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('refuses the whole document, and so every row, for a wrong JSON type', async () => {
    const before = await storedRows(gateway)
    const items = [application('fine'), application('wrong', { ...LOW_RISK, time: 'sixty' })]
    const { status, errors } = await scorer.request(PredictRiskBatchDocument, { items: items as never })
    expect(status).toBe(400)
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT' } }])
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('stores one row for a key that is twice in one batch', async () => {
    const before = await storedRows(gateway)
    const item = { ...application('twice', HIGH_RISK), idempotencyKey: 'twice-in-one' }
    const [first, second] = await batch([item, item])
    expect(second?.prediction).toEqual(first?.prediction)
    expect([first?.replayed, second?.replayed]).toEqual([false, true])
    expect(await storedRows(gateway)).toEqual({
      predictions: (before.predictions ?? 0) + 1,
      keys: (before.keys ?? 0) + 1,
      alerts: (before.alerts ?? 0) + 1,
    })
  })

  it('gives a key that is on two applications of one batch to the first', async () => {
    for (let round = 0; round < 5; round++) {
      const items = Array.from({ length: 100 }, (_, i) => ({
        ...application(`claim-${i}`),
        // The keys are unsorted, so that equal keys cannot keep their order by chance.
        idempotencyKey: i % 3 === 0 ? `claimed-${round}` : `claim-${round}-${(i * 37) % 100}`,
      }))
      const results = await batch(items)
      expect(results[0]?.prediction?.applicantId).toBe('claim-0')
      for (const [i, { prediction, errors }] of results.entries()) {
        if (i % 3 !== 0) expect(prediction?.applicantId).toBe(`claim-${i}`)
        else if (i > 0) expect(errors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED', path: ['idempotencyKey'] }])
      }
    }
  })
})
