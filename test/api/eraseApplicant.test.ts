import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, inParts, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  ApplicantHistoryDocument,
  EraseApplicantDocument,
  HistoryDocument,
  PredictionByIdDocument,
  PredictionByKeyDocument,
  PredictionWithFeaturesDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import { score, scoreBatch } from '../support/stored.js'

const SCORER = { roles: ['SCORER'], subject: 'web-shop' } as const

describe('eraseApplicant', () => {
  let gateway: TestGateway
  let [scorer, analyst, admin] = [] as unknown as GraphqlClient[] as [GraphqlClient, GraphqlClient, GraphqlClient]
  beforeAll(async () => {
    gateway = await startGateway()
    scorer = await gateway.as(SCORER)
    analyst = await gateway.as({ roles: ['ANALYST'] })
    admin = await gateway.as({ roles: ['ADMIN'], subject: 'privacy-desk' })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const erase = async (applicantId: string, client = admin) =>
    (await client.data(EraseApplicantDocument, { applicantId })).eraseApplicant
  const applicant = async (id: string, client = analyst) => (await client.data(ApplicantHistoryDocument, { id })).applicant
  const featuresOf = async (id: string) => (await analyst.data(PredictionWithFeaturesDocument, { id })).prediction?.features

  it('removes the features of each prediction, replaces its reference, and changes nothing else', async () => {
    const scored = [await score(scorer, 'gone', HIGH_RISK), await score(scorer, 'gone', LOW_RISK)]
    expect(await erase('gone')).toEqual({ erased: 2, complete: true })
    for (const before of scored) {
      const { prediction } = await analyst.data(PredictionByIdDocument, { id: before.id })
      expect(prediction).toEqual({ ...before, applicantId: `erased:${before.id}` })
      expect(await featuresOf(before.id)).toBeNull()
    }
  })

  it('removes the reference everywhere, also from the cache of latest predictions', async () => {
    await score(scorer, 'remembered')
    expect(await applicant('remembered')).not.toBeNull()
    await erase('remembered')
    for (const client of [analyst, scorer, admin]) expect(await applicant('remembered', client)).toBeNull()
    const { predictions } = await analyst.data(HistoryDocument, { filter: { applicantId: 'remembered' } })
    expect(predictions.nodes).toEqual([])
  })

  it('removes the idempotency keys, so that a repeated call scores anew', async () => {
    const input = { ...application('keyed'), idempotencyKey: 'key-of-keyed' }
    const { predictRisk: first } = await scorer.data(PredictRiskDocument, { input })
    await scorer.data(PredictRiskDocument, { input: { ...application('another'), idempotencyKey: 'key-of-another' } })
    await erase('keyed')
    expect((await scorer.data(PredictionByKeyDocument, { key: 'key-of-keyed' })).predictionByKey).toBeNull()
    const { predictRisk: second } = await scorer.data(PredictRiskDocument, { input })
    expect(second.replayed).toBe(false)
    expect(second.prediction.id).not.toBe(first.prediction.id)
    expect((await scorer.data(PredictionByKeyDocument, { key: 'key-of-another' })).predictionByKey).not.toBeNull()
  })

  it('does not touch other applicants, nor the same reference in another tenant', async () => {
    const otherTenant = await gateway.as({ ...SCORER, tenant: 'bank' })
    const [kept, other] = [await score(otherTenant, 'shared'), await score(scorer, 'shared-not')]
    await score(scorer, 'shared')
    expect(await erase('shared')).toMatchObject({ erased: 1 })
    expect((await applicant('shared', otherTenant))?.latestPrediction?.id).toBe(kept.id)
    expect((await applicant('shared-not'))?.latestPrediction?.id).toBe(other.id)
    expect(await featuresOf(other.id)).not.toBeNull()
  })

  it('keeps the statistics', async () => {
    await score(scorer, 'counted', HIGH_RISK)
    const counts = () => gateway.database.sql`
      select sum(predictions)::int as predictions, sum(high_risk)::int as "highRisk", sum(probability_sum) as sum
      from (
        select predictions, high_risk, probability_sum from risk_deltas union all
        select predictions, high_risk, probability_sum from risk_rollups where minutes = 15
      ) statistics`
    const before = await counts()
    await erase('counted')
    expect(await counts()).toEqual(before)
  })

  it('is audited with the count and a digest of the reference, but not the reference', async () => {
    await score(scorer, 'audited-applicant')
    await erase('audited-applicant')
    const entries = await gateway.database.sql`select * from audit_entries order by id`
    expect(entries.at(-1)).toMatchObject({
      tenant: 'default',
      principal: 'privacy-desk',
      action: 'applicant.erased',
      subject: expect.stringMatching(/^[0-9a-f]{64}$/),
      details: { count: 1 },
    })
    expect(JSON.stringify(entries, (_key, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'audited-applicant',
    )
  })

  it('answers 0 for an unknown applicant, and writes no audit entry', async () => {
    const before = await gateway.database.sql`select from audit_entries`
    expect(await erase('never-seen')).toEqual({ erased: 0, complete: true })
    expect(await gateway.database.sql`select from audit_entries`).toHaveLength(before.length)
  })

  it('answers 0 for the text that replaces an erased reference', async () => {
    const { id } = await score(scorer, 'twice')
    await erase('twice')
    expect(await erase(`erased:${id}`)).toEqual({ erased: 0, complete: true })
  })

  it('erases a long history in several calls, and each prediction once if two calls run at once', async () => {
    for (const part of inParts(Array.from({ length: 1_100 }, () => application('long')))) await scoreBatch(scorer, part)
    expect(await erase('long')).toEqual({ erased: 1_000, complete: false })
    expect((await applicant('long'))?.predictions.nodes).toHaveLength(10)
    const rest = await Promise.all([erase('long'), erase('long')])
    expect(rest.reduce((sum, { erased }) => sum + erased, 0)).toBe(100)
    expect(await applicant('long')).toBeNull()
    const [audited] = await gateway.database.sql`
      select sum((details->>'count')::int)::int as count, max((details->>'count')::int) as most from audit_entries
      where subject = (select subject from audit_entries order by id desc limit 1)`
    expect(audited).toEqual({ count: 1_100, most: 20 })
  })

  it('keeps cursors of earlier pages valid', async () => {
    const reference = 'paged'
    for (let i = 0; i < 3; i++) await score(scorer, reference)
    const all = (await analyst.data(HistoryDocument, { first: 2 })).predictions
    const own = (await analyst.data(HistoryDocument, { first: 2, filter: { applicantId: reference } })).predictions
    await erase(reference)
    const { predictions: next } = await analyst.data(HistoryDocument, { first: 1, after: all.pageInfo.endCursor })
    expect(next.nodes[0]?.applicantId).toBe(`erased:${next.nodes[0]?.id}`)
    const filter = { applicantId: reference }
    const { predictions: nextOwn } = await analyst.data(HistoryDocument, { first: 2, after: own.pageInfo.endCursor, filter })
    expect(nextOwn.nodes).toEqual([])
  })

  it('is for ADMIN only', async () => {
    await score(scorer, 'safe')
    for (const client of [scorer, analyst, await gateway.as({ roles: ['MODEL_MANAGER', 'MONITOR'] })]) {
      const { errors } = await client.request(EraseApplicantDocument, { applicantId: 'safe' })
      expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    }
    expect(await applicant('safe')).not.toBeNull()
  })
})

describe('predictRisk', () => {
  it('refuses a reference that looks like an erased one', async () => {
    await using gateway = await startGateway()
    const input = application('erased:01900000-0000-7000-8000-000000000001')
    const { errors } = await (await gateway.as(SCORER)).request(PredictRiskDocument, { input })
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', problems: [{ path: ['applicantId'] }] })
  })
})
