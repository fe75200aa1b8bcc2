import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { ApplicantAliasesDocument, HistoryInFullDocument, HistoryWithOutcomesDocument } from '../support/generated/operations.js'
import { fillHistory } from '../support/historyRows.js'
import { present } from '../support/process.js'
import { type StatementProxy, startStatementProxy } from '../support/statementProxy.js'

let database: TestDatabase
let proxy: StatementProxy
let gateway: TestGateway
beforeAll(async () => {
  database = await createTestDatabase()
  proxy = await startStatementProxy(database.url)
  gateway = await startGateway({ DATABASE_URL: proxy.url }, database)
  await fillHistory(database.sql, { rows: 2_000, months: 2 })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

/** The statements that read predictions, without those of the alert feed and the statistics, which run all the time. */
const statements = () => proxy.take().filter(text => text.includes('predictions') && !/alerts|risk_deltas/.test(text))

describe('a page of a hundred predictions', () => {
  it('with applicant, model version and outcome takes four statements', async () => {
    const client = await gateway.as({ roles: ['ADMIN'] })
    proxy.take()
    const { predictions } = await client.data(HistoryWithOutcomesDocument, { first: 100 })
    expect(statements()).toHaveLength(4)
    expect(predictions.nodes).toHaveLength(100)
  })

  it.each([
    // The second time the latest predictions come from the cache. Roles that may score bypass it, to see their own writes.
    ['ANALYST', [6, 5]],
    ['ADMIN', [6, 6]],
  ] as const)('takes one statement for each kind of field, as %s', async (role, expected) => {
    const client = await gateway.as({ roles: [role] })
    for (const count of expected) {
      proxy.take()
      const { predictions } = await client.data(HistoryInFullDocument, { first: 100 })
      expect(statements()).toHaveLength(count)
      expect(predictions.nodes).toHaveLength(100)
    }
  })

  it('shows each applicant with its own latest prediction, page and total', async () => {
    const client = await gateway.as({ roles: ['ANALYST'] })
    const { predictions } = await client.data(HistoryInFullDocument, { first: 100 })
    const rows = await database.sql<{ id: string; applicant: string }[]>`
      select id, applicant_id as applicant from predictions where tenant = 'default' order by id desc`
    for (const { applicant } of predictions.nodes) {
      const ids = rows.filter(row => row.applicant === applicant.id).map(({ id }) => id)
      expect(applicant.latestPrediction?.id).toBe(ids[0])
      expect(applicant.predictions.nodes.map(({ id }) => id)).toEqual(ids.slice(0, 3))
      expect(applicant.predictions.total).toEqual({ count: ids.length, exact: true })
    }
  })

  it('shows a SCORER only its own predictions of each applicant', async () => {
    const client = await gateway.as({ roles: ['SCORER'], subject: 'small-shop' })
    const { data } = await client.request(HistoryInFullDocument, { first: 10 })
    const rows = await database.sql<{ id: string; applicant: string }[]>`
      select id, applicant_id as applicant from predictions
      where tenant = 'default' and requested_by = 'small-shop' order by id desc`
    const { nodes } = present(data).predictions
    expect(nodes.map(({ id }) => id)).toEqual(rows.slice(0, 10).map(({ id }) => id))
    for (const { applicant } of nodes) {
      const ids = rows.filter(row => row.applicant === applicant.id).map(({ id }) => id)
      expect(applicant.predictions.nodes.map(({ id }) => id)).toEqual(ids.slice(0, 3))
      expect(applicant.predictions.total.count).toBe(ids.length)
    }
  })
})

describe('an applicant', () => {
  it('shows several pages in one query, of any size and from any of its cursors', async () => {
    const client = await gateway.as({ roles: ['ANALYST'] })
    const id = 'applicant-0'
    const first = await client.data(ApplicantAliasesDocument, { id, after: null })
    const { endCursor } = present(first.applicant).short.pageInfo
    proxy.take()
    const { applicant } = await client.data(ApplicantAliasesDocument, { id, after: endCursor })
    expect(statements().length).toBeLessThanOrEqual(3)
    const { short, long, next } = present(applicant)
    const ids = long.nodes.map(({ id }) => id)
    expect(long.pageInfo.hasNextPage).toBe(true)
    expect(short.nodes.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    expect(next.nodes.map(({ id }) => id)).toEqual(ids.slice(2, 4))
  })

  it('refuses a cursor of another applicant at its path, and serves the pages beside it', async () => {
    const client = await gateway.as({ roles: ['ANALYST'] })
    const { applicant } = await client.data(ApplicantAliasesDocument, { id: 'applicant-0', after: null })
    const after = present(applicant).short.pageInfo.endCursor
    const { data, errors } = await client.request(ApplicantAliasesDocument, { id: 'applicant-1', after })
    expect(data).toEqual({ applicant: null })
    expect(errors).toMatchObject([{ path: ['applicant', 'next'], extensions: { code: 'BAD_CURSOR' } }])
  })
})
