import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, goldenRows } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  RecordOutcomesDocument,
  RiskSummaryDocument,
  type RiskSummaryQueryVariables,
  type ScoredFragment,
} from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { CANARY, expectRefusal } from '../support/refused.js'
import { score, scoreBatch } from '../support/stored.js'

const HOUR_MS = 3_600_000

describe('riskSummary', () => {
  let gateway: TestGateway
  let analyst: GraphqlClient
  let scorer: GraphqlClient
  let rows: ScoredFragment[]
  beforeAll(async () => {
    gateway = await startGateway()
    analyst = await gateway.as({ roles: ['ANALYST'] })
    scorer = await gateway.as({ roles: ['SCORER'] })
    rows = await scoreBatch(
      scorer,
      goldenRows('2')
        .slice(0, 100)
        .map(({ features }, i) => application(`a-${i}`, features)),
    )
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const around = { from: new Date(Date.now() - HOUR_MS).toISOString(), to: new Date(Date.now() + HOUR_MS).toISOString() }
  const ask = async (client: GraphqlClient, variables: Partial<RiskSummaryQueryVariables> = {}) =>
    (await client.data(RiskSummaryDocument, { ...around, ...variables })).riskSummary

  it('counts scores and outcomes at once, and counts the same after they are folded', async () => {
    const reported = rows.filter((_, i) => i % 2 === 0)
    await scorer.data(RecordOutcomesDocument, {
      items: reported.map(({ id }, i) => ({ predictionId: id, defaulted: i % 5 === 0, observedAt: new Date().toISOString() })),
    })
    const highRisk = rows.filter(row => row.highRisk).length
    const summary = await ask(analyst)
    expect(summary).toMatchObject({ total: 100, highRiskRate: highRisk / 100, observedDefaultRate: 0.2 })
    expect(summary.meanProbability).toBeCloseTo(rows.reduce((sum, { probability }) => sum + probability, 0) / 100, 12)
    for (const { band, count, share } of summary.bands) {
      expect([band, count]).toEqual([band, rows.filter(row => row.band === band).length])
      expect(share).toBe(count / 100)
    }
    expect(summary.bands).toHaveLength(8)
    expect(summary.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(100)
    await until(async () => (await gateway.database.sql`select from risk_deltas limit 1`).length === 0)
    const { meanProbability, ...folded } = await ask(analyst)
    expect({ ...summary, meanProbability: undefined }).toMatchObject({ total: folded.total, bands: folded.bands })
    expect(meanProbability).toBeCloseTo(summary.meanProbability ?? 0, 12)
    await score(scorer, 'one-more')
    expect((await ask(analyst)).total).toBe(101)
    rows.push(...(await scoreBatch(scorer, [application('another')])))
    expect((await ask(analyst)).total).toBe(102)
  })

  it('covers the tenant only, and one model if it is named', async () => {
    const stranger = await gateway.as({ roles: ['ADMIN'], tenant: 'other-bank' })
    expect((await ask(stranger)).total).toBe(0)
    const { total } = await ask(analyst)
    expect((await ask(analyst, { model: 'consumer-credit' })).total).toBe(total)
    expect((await ask(analyst, { model: 'mortgage' })).total).toBe(0)
    expect((await ask(analyst, { model: null })).total).toBe(total)
  })

  it('caps counts that Int cannot hold', async () => {
    await gateway.database.sql`
      insert into risk_deltas
      select 'huge-bank', 'consumer-credit', '2', timestamptz '2026-03-28Z' + i * interval '1 day', 8, 2000000000, 1e9, 0, 0, 0
      from generate_series(0, 1) i`
    const huge = await gateway.as({ roles: ['ANALYST'], tenant: 'huge-bank' })
    const { total, meanProbability, bands, buckets } = await ask(huge, {
      from: '2026-03-28T00:00:00Z',
      to: '2026-03-30T00:00:00Z',
      interval: 'MONTH',
    })
    const largest = 2 ** 31 - 1
    expect({ total, meanProbability }).toEqual({ total: largest, meanProbability: 0.5 })
    expect(buckets[0]).toMatchObject({ count: largest })
    expect(bands.at(-1)).toEqual({ band: 'T8', count: largest, share: 1 })
  })

  it('has buckets of UTC days by default', async () => {
    const range = { from: '2026-03-28T12:00:00Z', to: '2026-03-30T12:00:00Z' }
    const startsOf = async (more: Partial<RiskSummaryQueryVariables>) =>
      (await ask(analyst, { ...range, ...more })).buckets.map(({ start }) => start)
    const days = ['2026-03-28T00:00:00.000Z', '2026-03-29T00:00:00.000Z', '2026-03-30T00:00:00.000Z']
    for (const more of [{}, { timeZone: null }, { timeZone: 'UTC' }]) expect(await startsOf(more)).toEqual(days)
    expect(await startsOf({ timeZone: 'Europe/Madrid' })).toEqual([
      '2026-03-27T23:00:00.000Z',
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ])
    expect(await startsOf({ interval: 'MONTH', timeZone: 'Asia/Kathmandu' })).toEqual(['2026-02-28T18:15:00.000Z'])
    expect(await startsOf({ interval: 'HOUR' })).toHaveLength(48)
  })

  it.each<[string, Partial<RiskSummaryQueryVariables>]>([
    ['an empty range', { from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
    ['a range that ends before it begins', { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
    ['an unknown time zone', { timeZone: CANARY }],
    ['an empty time zone', { timeZone: '' }],
    ['an offset as a time zone', { timeZone: '+05:30' }],
    ['1,001 hours', { from: '2026-01-01T00:00:00Z', to: '2026-02-11T16:00:00.001Z', interval: 'HOUR' }],
    ['all days of all time', { from: '0000-01-01T00:00:00Z', to: '9999-12-31T00:00:00Z' }],
    ['a NUL in the model', { model: `${CANARY}\u0000` }],
  ])('refuses %s the same way each time', async (_what, change) => {
    const { from, to, interval, timeZone, model } = { ...around, interval: 'DAY', timeZone: 'UTC', model: null, ...change }
    const query = `query ($z: String, $m: String) { riskSummary(from: "${from}", to: "${to}", interval: ${interval}, timeZone: $z, model: $m) { total } }`
    const texts = new Set<string>()
    for (let use = 1; use <= 4; use++) {
      const body = JSON.stringify({ query, variables: { z: timeZone, m: model } })
      const answer = await analyst.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
      expectRefusal(answer, { status: 400, code: 'BAD_USER_INPUT' })
      texts.add(answer.text)
    }
    expect(texts.size).toBe(1)
  })

  it('has at most 1,000 buckets', async () => {
    const range = { from: '2026-01-01T00:00:00Z', to: '2026-02-11T16:00:00Z' }
    expect((await ask(analyst, { ...range, interval: 'HOUR' })).buckets).toHaveLength(1_000)
  })

  it.each<[string, string, object[]]>([
    ['$i: SummaryInterval', 'interval: $i', [{}, { i: null }, { i: 'MONTH' }, { i: 'YEAR' }]],
    ['$i: SummaryInterval!', 'interval: $i', [{}, { i: null }, { i: 'MONTH' }]],
    ['$i: SummaryInterval = WEEK', 'interval: $i', [{}, { i: null }, { i: 'MONTH' }]],
    ['$i: SummaryInterval! = WEEK', 'interval: $i', [{}, { i: null }, { i: 'MONTH' }]],
    ['$z: String', 'timeZone: $z', [{}, { z: null }, { z: 'Asia/Kathmandu' }, { z: 5 }]],
    ['$z: String!', 'timeZone: $z', [{}, { z: null }, { z: 'Asia/Kathmandu' }]],
    ['$z: String = "Europe/Madrid"', 'timeZone: $z', [{}, { z: null }, { z: 'Asia/Kathmandu' }]],
    ['$m: String', 'model: $m', [{}, { m: null }, { m: 'mortgage' }]],
  ])('gives the same answer each time it is sent, with defaults and %s', async (declared, argument, given) => {
    for (const variables of given) {
      // The first use of a document is parsed, the second finds it, and later ones may run prepared.
      const name = `Q${Math.random().toString(36).slice(2)}`
      const query = `query ${name}(${declared}) { riskSummary(from: "2026-03-28T12:00:00Z", to: "2026-03-30T12:00:00Z", ${argument}) { total buckets { start } } }`
      const texts = new Set<string>()
      for (let use = 1; use <= 4; use++) {
        const body = JSON.stringify({ query, variables })
        const { status, text } = await analyst.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
        texts.add(`${status} ${text}`)
      }
      expect([...texts], JSON.stringify(variables)).toHaveLength(1)
    }
  })
})
