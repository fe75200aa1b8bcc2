import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  ApplicantTotalDocument,
  HistoryDocument,
  HistoryTotalDocument,
  type HistoryTotalQueryVariables,
  type PredictionFilter,
} from '../support/generated/operations.js'
import { fillHistory } from '../support/historyRows.js'
import { present } from '../support/process.js'

let gateway: TestGateway
let analyst: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway()
  await fillHistory(gateway.database.sql, { rows: 13_000, months: 3 })
  analyst = await gateway.as({ roles: ['ANALYST'] })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const totalOf = async (variables: HistoryTotalQueryVariables, client = analyst) =>
  (await client.data(HistoryTotalDocument, { first: 1, ...variables })).predictions.total

async function counted(condition: string): Promise<number> {
  const [row] = await gateway.database.sql.unsafe<{ count: number }[]>(
    `select count(*)::int as count from predictions where tenant = 'default' and ${condition}`,
  )
  return present(row).count
}

describe('the total of a list', () => {
  it.each<[string, PredictionFilter, string]>([
    ['one band', { bands: ['T3'] }, 'band = 3'],
    ['several bands', { bands: ['T3', 'T8'] }, 'band in (3, 8)'],
    ['an applicant', { applicantId: 'applicant-0' }, "applicant_id = 'applicant-0'"],
    ['a range of probability', { probability: { from: 0.25, to: 0.5 } }, 'probability >= 0.25 and probability < 0.5'],
    ['no outcome and high risk', { hasOutcome: false, highRisk: true }, 'defaulted is null and high_risk'],
    ['an outcome', { hasOutcome: true }, 'defaulted is not null'],
    [
      'several conditions',
      { channel: 'web', bands: ['T1'], modelVersion: '2' },
      "channel = 'web' and band = 1 and model_version = '2'",
    ],
    ['nothing', { channel: 'nowhere' }, 'false'],
  ])('of %s is counted', async (_what, filter, condition) => {
    expect(await totalOf({ filter })).toEqual({ count: await counted(condition), exact: true })
  })

  it('is the same on every page and in every order', async () => {
    const filter = { highRisk: true }
    const { predictions } = await analyst.data(HistoryTotalDocument, { first: 7, filter })
    const { endCursor: after } = predictions.pageInfo
    expect(await totalOf({ first: 7, filter, after })).toEqual(predictions.total)
    expect(await totalOf({ first: 100, filter, orderBy: 'PROBABILITY_DESC' })).toEqual(predictions.total)
  })

  it('is exact up to 10,000, and beyond that a close estimate', async () => {
    const times = await gateway.database.sql<{ at: Date }[]>`
      select created_at as at from predictions where tenant = 'default' order by id offset 10000 limit 1`
    const to = present(times[0]).at
    const all = await counted(`created_at < '${to.toISOString()}'`)
    expect(all).toBe(10_000)
    expect(await totalOf({ filter: { createdAt: { to: to.toISOString() } } })).toEqual({ count: all, exact: true })
    const { count, exact } = await totalOf({})
    expect(exact).toBe(false)
    const ratio = count / (await counted('true'))
    expect(ratio).toBeGreaterThan(0.9)
    expect(ratio).toBeLessThan(1.1)
  })

  it('counts only rows that the caller may see', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'], subject: 'small-shop' })
    expect(await totalOf({}, scorer)).toEqual({ count: await counted("requested_by = 'small-shop'"), exact: true })
    const stranger = await gateway.as({ roles: ['ADMIN'], tenant: 'nobody-here' })
    expect(await totalOf({}, stranger)).toEqual({ count: 0, exact: true })
    const { applicant } = await scorer.data(ApplicantTotalDocument, { id: 'applicant-7' })
    const own = await counted("requested_by = 'small-shop' and applicant_id = 'applicant-7'")
    expect(applicant?.predictions.total ?? { count: 0, exact: true }).toEqual({ count: own, exact: true })
  })
})

describe('a list that would read too much', () => {
  it('is refused with a message that says how to narrow it and repeats no value', async () => {
    const filter: PredictionFilter = { bands: ['T8'], highRisk: false, modelVersion: 'canary' }
    const { status, data, errors } = await analyst.request(HistoryDocument, { first: 5, filter })
    expect({ status, data }).toEqual({ status: 400, data: null })
    expect(errors).toMatchObject([{ path: ['predictions'], extensions: { code: 'QUERY_TOO_BROAD' } }])
    expect(errors?.[0]?.message).toBe(
      'This filter would read too many rows for the few that match. Narrow it: add a range of time, add applicantId, add model or leave out some of bands, highRisk, modelVersion.',
    )
  })

  it('is served once it is narrowed as the message says', async () => {
    const filter: PredictionFilter = { bands: ['T8'], highRisk: false, applicantId: 'applicant-7' }
    const { predictions } = await analyst.data(HistoryDocument, { first: 5, filter })
    expect(predictions.nodes).toEqual([])
  })
})
