import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { type Caller, startGateway, type TestGateway } from '../support/gateway.js'
import {
  PredictionByKeyDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  PromoteModelVersionDocument,
} from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { storedRows } from '../support/stored.js'

const SHOP: Caller = { roles: ['SCORER'], subject: 'shop' }

describe('idempotency keys', () => {
  let gateway: TestGateway
  let scorer: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    scorer = await gateway.as(SHOP)
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const byKey = async (client: GraphqlClient, key: string) =>
    (await client.data(PredictionByKeyDocument, { key })).predictionByKey

  it('answer the same input with the first prediction, and store one row', async () => {
    const before = await storedRows(gateway)
    const input = { ...application('same', HIGH_RISK), idempotencyKey: 'same', channel: 'web' }
    const { predictRisk: first } = await scorer.data(PredictRiskDocument, { input })
    const { predictRisk: second } = await scorer.data(PredictRiskDocument, { input })
    expect([first.replayed, second.replayed]).toEqual([false, true])
    expect(second.prediction).toEqual(first.prediction)
    expect(await byKey(scorer, 'same')).toEqual(first.prediction)
    const { predictions = 0, keys = 0, alerts = 0 } = before
    expect(await storedRows(gateway)).toEqual({ predictions: predictions + 1, keys: keys + 1, alerts: alerts + 1 })
  })

  it('treat an absent field like null, and 60 like 60.0', async () => {
    const { home: _home, ...features } = LOW_RISK
    const key = { idempotencyKey: 'null-or-absent' }
    await scorer.data(PredictRiskDocument, { input: { ...application('null'), features: { consumerCredit: features }, ...key } })
    const again = { ...features, home: null, time: 60.0 }
    const input = { applicantId: 'null', channel: null, features: { consumerCredit: again }, ...key }
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input })
    expect(predictRisk.replayed).toBe(true)
  })

  it('store 50 rows for 10 concurrent copies of each of 50 keys, with identical answers', async () => {
    const before = await storedRows(gateway)
    const copies = Array.from({ length: 500 }, (_, i) => ({
      ...application(`copy-${i % 50}`, i % 2 ? LOW_RISK : HIGH_RISK),
      idempotencyKey: `copies-${i % 50}`,
    }))
    const answers = await Promise.all(copies.map(input => scorer.data(PredictRiskDocument, { input })))
    for (let key = 0; key < 50; key++) {
      const ofKey = answers.filter((_, i) => i % 50 === key).map(({ predictRisk }) => predictRisk)
      expect(new Set(ofKey.map(({ prediction }) => JSON.stringify(prediction))).size).toBe(1)
      expect(ofKey.filter(({ replayed }) => !replayed)).toHaveLength(1)
    }
    const { predictions = 0, keys = 0, alerts = 0 } = before
    expect(await storedRows(gateway)).toEqual({ predictions: predictions + 50, keys: keys + 50, alerts: alerts + 25 })
  })

  it.each([
    ['another applicant', { applicantId: 'changed' }],
    ['another channel', { channel: 'branch' }],
    ['no channel', { channel: null }],
    ['another feature', { features: { consumerCredit: { ...LOW_RISK, amount: 651 } } }],
  ])('are refused with %s', async (_name, change) => {
    const first = { ...application('first'), channel: 'web', idempotencyKey: 'reused' }
    await scorer.data(PredictRiskDocument, { input: first })
    const before = await storedRows(gateway)
    for (let use = 1; use <= 3; use++) {
      const { status, data, errors } = await scorer.request(PredictRiskDocument, { input: { ...first, ...change } })
      expect(status).toBe(422)
      expect(data).toBeNull()
      expect(errors).toMatchObject([{ extensions: { code: 'IDEMPOTENCY_KEY_REUSED', problems: [{ path: ['idempotencyKey'] }] } }])
    }
    const { predictRiskBatch } = await scorer.data(PredictRiskBatchDocument, { items: [{ ...first, ...change }] })
    expect(predictRiskBatch.results).toMatchObject([{ prediction: null, errors: [{ code: 'IDEMPOTENCY_KEY_REUSED' }] }])
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each<[string, Caller]>([
    ['principal', { ...SHOP, subject: 'other-shop' }],
    ['tenant', { ...SHOP, tenant: 'other-bank' }],
  ])('belong to their %s: another one may use the same key, and sees only its own prediction', async (name, other) => {
    const stranger = await gateway.as(other)
    const idempotencyKey = `scoped-by-${name}`
    const { predictRisk: mine } = await scorer.data(PredictRiskDocument, { input: { ...application('mine'), idempotencyKey } })
    expect(await byKey(stranger, idempotencyKey)).toBeNull()
    const theirs = await stranger.data(PredictRiskDocument, { input: { ...application('theirs'), idempotencyKey } })
    expect(theirs.predictRisk).toMatchObject({ replayed: false, prediction: { applicantId: 'theirs' } })
    expect(await byKey(stranger, idempotencyKey)).toEqual(theirs.predictRisk.prediction)
    expect(await byKey(scorer, idempotencyKey)).toEqual(mine.prediction)
  })

  it('of other clients are hidden even from callers who may read all history', async () => {
    await scorer.data(PredictRiskDocument, { input: { ...application('hidden'), idempotencyKey: 'hidden' } })
    expect(await byKey(await gateway.as({ roles: ['ADMIN'], subject: 'admin' }), 'hidden')).toBeNull()
  })

  it('stay unused after a refused call', async () => {
    const idempotencyKey = 'free-after-mistake'
    const bad = { ...application('free', { ...LOW_RISK, home: 'castle' }), idempotencyKey }
    expect((await scorer.request(PredictRiskDocument, { input: bad })).status).toBe(400)
    expect(await byKey(scorer, idempotencyKey)).toBeNull()
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: { ...application('free'), idempotencyKey } })
    expect(predictRisk.replayed).toBe(false)
  })

  it('are compared exactly, also in case and with characters of SQL or wildcards', async () => {
    for (const idempotencyKey of ['Exact', 'exact', 'exac_', 'exac%', "exact'--", '__proto__']) {
      const { predictRisk } = await scorer.data(PredictRiskDocument, {
        input: { ...application(`exact-${idempotencyKey}`), idempotencyKey },
      })
      expect(predictRisk.replayed).toBe(false)
      expect((await byKey(scorer, idempotencyKey))?.applicantId).toBe(`exact-${idempotencyKey}`)
    }
  })

  it('that are unknown find null, whatever their text', async () => {
    for (const key of ['never', '', 'x'.repeat(10_000), 'é ü']) expect(await byKey(scorer, key)).toBeNull()
  })
})

it('a key keeps its first answer after another version has become the champion', async () => {
  await using gateway = await startGateway()
  const shop = await gateway.as(SHOP)
  const predict = async (idempotencyKey: string) =>
    (await shop.data(PredictRiskDocument, { input: { ...application('swapped', HIGH_RISK), idempotencyKey } })).predictRisk
  const before = await predict('swapped')
  const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
  const input = { model: 'consumer-credit', version: '1', reason: 'a test' }
  await manager.data(PromoteModelVersionDocument, { input })
  let keys = 0
  await until(async () => (await predict(`fresh-${keys++}`)).prediction.probability !== before.prediction.probability)
  expect(await predict('swapped')).toEqual({ replayed: true, prediction: before.prediction })
})
