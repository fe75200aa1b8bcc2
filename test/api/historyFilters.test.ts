import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, goldenRows, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  HistoryDocument,
  type PredictionFilter,
  PredictRiskDocument,
  type ScoredFragment,
} from '../support/generated/operations.js'
import { scoreBatch } from '../support/stored.js'

describe('history filters', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  const rows: ScoredFragment[] = []

  beforeAll(async () => {
    gateway = await startGateway()
    client = await gateway.as({ roles: ['ADMIN'] })
    // In several calls, so that the rows are from several milliseconds.
    for (let call = 0; call < 8; call++) {
      const items = goldenRows('2')
        .slice(call * 12, call * 12 + 12)
        .map(({ features }, i) => ({
          ...application(`applicant-${i % 5}`, features),
          ...(i % 3 > 0 && { channel: ['web', 'Web'][i % 2] ?? 'web' }),
        }))
      rows.push(...(await scoreBatch(client, items)))
    }
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  async function found(filter: PredictionFilter | null) {
    const { predictions } = await client.data(HistoryDocument, { first: 100, orderBy: 'CREATED_AT_ASC', filter })
    return predictions.nodes
  }

  /** Expects the filter to give exactly the rows that meet the condition, which must be some but not all. */
  async function expectFound(filter: PredictionFilter, condition: (row: ScoredFragment) => boolean) {
    const wanted = rows.filter(condition)
    expect(wanted.length).toBeGreaterThan(0)
    expect(wanted.length).toBeLessThan(rows.length)
    expect(await found(filter)).toEqual(wanted)
  }

  it('select by applicant', () => expectFound({ applicantId: 'applicant-3' }, ({ applicantId }) => applicantId === 'applicant-3'))
  it('select by one band', () => expectFound({ bands: ['T7'] }, ({ band }) => band === 'T7'))
  it('select by bands', () => expectFound({ bands: ['T1', 'T8', 'T1'] }, ({ band }) => band === 'T1' || band === 'T8'))
  it('select by high risk', () => expectFound({ highRisk: true }, ({ highRisk }) => highRisk))
  it('select by not high risk', () => expectFound({ highRisk: false }, ({ highRisk }) => !highRisk))
  it('select by exact channel', () => expectFound({ channel: 'web' }, ({ channel }) => channel === 'web'))

  it('select by whether an outcome is recorded, also an outcome of no default', async () => {
    const observed = new Map(rows.slice(0, 30).map(({ id }, i) => [id, i % 2 === 0]))
    for (const [id, defaulted] of observed) {
      await gateway.database.sql`update predictions set defaulted = ${defaulted} where id = ${id}`
    }
    await expectFound({ hasOutcome: true }, ({ id }) => observed.has(id))
    await expectFound({ hasOutcome: false }, ({ id }) => !observed.has(id))
    await expectFound({ hasOutcome: true, highRisk: true }, ({ id, highRisk }) => observed.has(id) && highRisk)
  })

  it('select rows that meet all of several conditions', () =>
    expectFound(
      { highRisk: true, channel: 'Web', probability: { from: 0.4, to: 0.9 } },
      row => row.highRisk && row.channel === 'Web' && row.probability >= 0.4 && row.probability < 0.9,
    ))

  it('select by probability, including from and excluding to', async () => {
    const sorted = [...new Set(rows.map(({ probability }) => probability))].sort((a, b) => a - b)
    const [from = 0, to = 0] = [sorted[10], sorted[30]]
    await expectFound({ probability: { from } }, ({ probability }) => probability >= from)
    await expectFound({ probability: { to } }, ({ probability }) => probability < to)
    await expectFound({ probability: { from, to } }, ({ probability }) => probability >= from && probability < to)
    expect(await found({ probability: { from, to: from } })).toEqual([])
    expect(await found({ probability: { from: to, to: from } })).toEqual([])
  })

  it('select by time, including from and excluding to, in any time zone', async () => {
    const times = [...new Set(rows.map(({ createdAt }) => createdAt))].sort()
    expect(times.length).toBeGreaterThan(3)
    const [from = '', to = ''] = [times[1], times.at(-2)]
    await expectFound({ createdAt: { from } }, ({ createdAt }) => createdAt >= from)
    await expectFound({ createdAt: { to } }, ({ createdAt }) => createdAt < to)
    await expectFound({ createdAt: { from, to } }, ({ createdAt }) => createdAt >= from && createdAt < to)
    expect(await found({ createdAt: { from, to: from } })).toEqual([])
    const shifted = new Date(Date.parse(from) + 2 * 3_600_000).toISOString().replace('Z', '+02:00')
    await expectFound({ createdAt: { from: shifted } }, ({ createdAt }) => createdAt >= from)
  })

  it.each<[string, PredictionFilter | null]>([
    ['null', null],
    ['none', {}],
    ['nulls', { applicantId: null, bands: null, highRisk: null, probability: null, createdAt: { from: null, to: null } }],
    ['the model and its version', { model: 'consumer-credit', modelVersion: '2' }],
    [
      'all bands, each 250 times, the longest list allowed',
      {
        bands: (['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8'] as const).flatMap(band => Array<typeof band>(250).fill(band)),
      },
    ],
    ['all probabilities', { probability: { from: -1e300, to: 1e300 } }],
    ['all of time', { createdAt: { from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59.999Z' } }],
  ])('select every row with %s', async (_name, filter) => {
    expect(await found(filter)).toEqual(rows)
  })

  it.each<[string, PredictionFilter]>([
    ['no band', { bands: [] }],
    ['another model', { model: 'mortgage' }],
    ['another version', { modelVersion: '1' }],
    ['another applicant', { applicantId: 'APPLICANT-3' }],
    ['a wildcard', { applicantId: 'applicant-%' }],
    ['a time before all', { createdAt: { to: '1960-01-01T00:00:00Z' } }],
    ['a time after all', { createdAt: { from: '9999-12-31T23:59:59.999999Z' } }],
    ['a text that looks like SQL', { channel: "web' or '1'='1" }],
  ])('select no row with %s', async (_name, filter) => {
    expect(await found(filter)).toEqual([])
  })

  it.each<[string, PredictionFilter]>([
    ['applicant', { applicantId: 'a\u0000b' }],
    ['channel', { channel: '\u0000' }],
    ['model', { model: '\u0000' }],
    ['version', { modelVersion: '2\u0000' }],
  ])('refuse a NUL character in the %s, which stored texts cannot hold', async (_name, filter) => {
    const { status, errors } = await client.request(HistoryDocument, { filter })
    expect({ status, errors }).toMatchObject({ status: 400, errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
  })

  it('apply to all pages of a list', async () => {
    const filter = { highRisk: true }
    const first = await client.data(HistoryDocument, { first: 3, filter, orderBy: 'PROBABILITY_DESC' })
    const after = first.predictions.pageInfo.endCursor
    const second = await client.data(HistoryDocument, { first: 3, after, filter, orderBy: 'PROBABILITY_DESC' })
    const wanted = rows.filter(({ highRisk }) => highRisk).sort((a, b) => b.probability - a.probability || (a.id < b.id ? 1 : -1))
    expect([...first.predictions.nodes, ...second.predictions.nodes]).toEqual(wanted.slice(0, 6))
  })

  it('find an applicant and a channel with unusual characters', async () => {
    const [applicantId, channel] = ['Ünï "quoted" \\ 😀 %_', 'caja «1» 🏦']
    const input = { applicantId, channel, features: { consumerCredit: LOW_RISK } }
    const { predictRisk } = await client.data(PredictRiskDocument, { input })
    rows.push(predictRisk.prediction)
    expect(await found({ applicantId, channel })).toEqual([predictRisk.prediction])
  })
})
