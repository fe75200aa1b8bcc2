import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import manifest from '../../models/consumer-credit/2/manifest.json' with { type: 'json' }
import type { Role } from '../../src/auth/principal.js'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  PredictionWithFeaturesDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  PredictRiskInFullDocument,
} from '../support/generated/operations.js'
import { score, storedRows } from '../support/stored.js'

describe('predictRisk', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it('answers with probability and band after the row is stored', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'], subject: 'web-shop' })
    const { predictRisk } = await scorer.data(PredictRiskDocument, {
      input: { ...application('a-1'), channel: 'web' },
    })
    expect(predictRisk.replayed).toBe(false)
    expect(predictRisk.prediction).toMatchObject({
      applicantId: 'a-1',
      band: 'T2',
      highRisk: false,
      channel: 'web',
      requestedBy: 'web-shop',
    })
    const rows = await gateway.database.sql`select probability, features from predictions where id = ${predictRisk.prediction.id}`
    expect(rows).toEqual([{ probability: predictRisk.prediction.probability, features: LOW_RISK }])
  })

  it('puts a high-risk score into the alert log in the same statement', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const prediction = await score(scorer, 'a-2', HIGH_RISK)
    expect(prediction).toMatchObject({ band: 'T8', highRisk: true })
    const rows = await gateway.database.sql`select prediction_id from alerts`
    expect(rows).toEqual([{ prediction_id: prediction.id }])
  })

  it('shows an administrator every field of a prediction', async () => {
    const before = Date.now()
    const admin = await gateway.as({ roles: ['ADMIN'], subject: 'desk' })
    const { predictRisk } = await admin.data(PredictRiskInFullDocument, { input: application('a-3') })
    const { id, probability, createdAt, features, ...rest } = predictRisk.prediction
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(probability).toBeGreaterThan(0.03)
    expect(probability).toBeLessThan(0.06)
    expect(createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(Date.parse(createdAt)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(createdAt)).toBe(Number.parseInt(id.replace('-', '').slice(0, 12), 16))
    expect(rest).toEqual({
      applicantId: 'a-3',
      band: 'T2',
      highRisk: false,
      channel: null,
      requestedBy: 'desk',
      applicant: { id: 'a-3', latestPrediction: { id } },
      modelVersion: {
        name: 'consumer-credit',
        version: '2',
        digest: manifest.onnx.sha256,
        stage: 'CHAMPION',
        createdAt: manifest.createdAt,
        model: { name: 'consumer-credit' },
        bands: expect.arrayContaining([{ band: 'T1', from: 0, to: 0.03 }]),
      },
    })
    expect(features).toHaveLength(Object.keys(LOW_RISK).length)
    expect(features).toEqual(
      expect.arrayContaining([
        { name: 'seniority', number: 1, category: null, missing: false },
        { name: 'home', number: null, category: 'owner', missing: false },
        { name: 'records', number: 0, category: null, missing: false },
      ]),
    )
  })

  it('forbids caching of its answer', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const { headers } = await scorer.request(PredictRiskDocument, { input: application('a-9') })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-type')).toMatch(/^application\/json/)
  })

  it('distinguishes a missing feature from a zero', async () => {
    const { income: _income, home: _home, ...features } = LOW_RISK
    const admin = await gateway.as({ roles: ['ADMIN'] })
    const { predictRisk } = await admin.data(PredictRiskInFullDocument, { input: application('a-4', { ...features, assets: 0 }) })
    expect(predictRisk.prediction.features).toEqual(
      expect.arrayContaining([
        { name: 'income', number: null, category: null, missing: true },
        { name: 'home', number: null, category: null, missing: true },
        { name: 'assets', number: 0, category: null, missing: false },
      ]),
    )
  })

  it('shows a SCORER all fields except features, with FORBIDDEN at their path', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    for (let use = 1; use <= 3; use++) {
      const { status, data, errors } = await scorer.request(PredictRiskInFullDocument, { input: application('a-5') })
      expect(status).toBe(200)
      expect(data?.predictRisk.prediction).toMatchObject({ applicantId: 'a-5', band: 'T2', features: null })
      expect(errors).toMatchObject([{ path: ['predictRisk', 'prediction', 'features'], extensions: { code: 'FORBIDDEN' } }])
    }
  })

  it('shows an ANALYST the features that a SCORER sent, but not the SCORER', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const { id } = await score(scorer, 'a-6')
    const { prediction } = await (await gateway.as({ roles: ['ANALYST'] })).data(PredictionWithFeaturesDocument, { id })
    expect(prediction?.features).toContainEqual({ name: 'price', number: 1645, category: null, missing: false })
    const own = await scorer.request(PredictionWithFeaturesDocument, { id })
    expect(own.data?.prediction).toEqual({ id, features: null })
    expect(own.errors).toMatchObject([{ path: ['prediction', 'features'], extensions: { code: 'FORBIDDEN' } }])
  })

  it.each<Role>(['ANALYST', 'MONITOR', 'MODEL_MANAGER'])('refuses to score for a %s, and stores nothing', async role => {
    const client = await gateway.as({ roles: [role] })
    const before = await storedRows(gateway)
    const single = await client.request(PredictRiskDocument, { input: application('a-7', HIGH_RISK) })
    const batch = await client.request(PredictRiskBatchDocument, { items: [application('a-7', HIGH_RISK)] })
    for (const answer of [single, batch]) {
      expect(answer.status).toBe(403)
      expect(answer.data ?? null).toBeNull()
      expect(answer.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('refuses to score with a token without roles, which can still ask who it is', async () => {
    const client = await gateway.as({ roles: [] })
    const { status, errors } = await client.request(PredictRiskDocument, { input: application('a-8') })
    expect(status).toBe(403)
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })

  it('reports each mistake of an application at its field, and stores nothing', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const before = await storedRows(gateway)
    const { status, errors } = await scorer.request(PredictRiskDocument, {
      input: {
        ...application('', { ...LOW_RISK, seniority: 1.5, home: 'castle', time: 121, expenses: -1, amount: 1e39 }),
        channel: 'x'.repeat(33),
        idempotencyKey: 'with space',
      },
    })
    expect(status).toBe(400)
    expect(errors).toMatchObject([{ path: ['predictRisk'], extensions: { code: 'BAD_USER_INPUT' } }])
    expect(errors?.[0]?.extensions.problems?.map(({ path }) => path.join('.'))).toEqual([
      'applicantId',
      'channel',
      'idempotencyKey',
      'features.consumerCredit.seniority',
      'features.consumerCredit.home',
      'features.consumerCredit.time',
      'features.consumerCredit.expenses',
      'features.consumerCredit.amount',
    ])
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('accepts every value at the edge of its range', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    for (const edge of [{ seniority: 0 }, { seniority: 60 }, { time: 1 }, { time: 120 }, { amount: 50_000 }, { expenses: 0 }]) {
      await expect(score(scorer, 'é'.repeat(128), { ...LOW_RISK, ...edge })).resolves.toMatchObject({
        requestedBy: 'test-client',
      })
    }
  })
})
