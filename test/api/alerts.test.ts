import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusedWith, settled } from '../support/alertPages.js'
import { application, goldenRows, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  AlertsDocument,
  AlertsInFullDocument,
  type AlertsQueryVariables,
  AlertsRaisedDocument,
} from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { startStatementProxy } from '../support/statementProxy.js'
import { score, scoreBatch } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

const T7 = present(goldenRows('2').find(({ probability }) => probability > 0.4 && probability < 0.5)).features

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** A new tenant with `count` alerts; their ids, oldest first. */
async function tenantWith(tenant: string, count: number, features = HIGH_RISK) {
  const client = await gateway.as({ roles: ['ADMIN'], tenant })
  const scored: string[] = []
  for (let i = 0; i < count; i++) scored.push((await score(client, `row-${i}`, features)).id)
  return { client, ids: scored }
}

const page = async (client: GraphqlClient, variables: AlertsQueryVariables = {}) =>
  (await client.data(AlertsDocument, variables)).alerts
const idsOf = async (client: GraphqlClient, variables: AlertsQueryVariables = {}) =>
  (await page(client, variables)).nodes.map(({ id }) => id)

describe('a page of alerts', () => {
  it('holds the twenty oldest alerts, oldest first, by default', async () => {
    const { client, ids } = await tenantWith('default-page', 23)
    await settled(client, 23)
    const { nodes, edges, pageInfo } = await page(client)
    expect(nodes.map(({ id }) => id)).toEqual(ids.slice(0, 20))
    expect(edges.map(({ cursor }) => cursor)).toEqual(nodes.map(({ cursor }) => cursor))
    expect(pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: nodes[0]?.cursor,
      endCursor: nodes[19]?.cursor,
    })
    expect(nodes[0]).toMatchObject({ acknowledgedAt: null, acknowledgedBy: null, prediction: { id: ids[0], band: 'T8' } })
    expect(nodes[0]?.raisedAt).toBe(nodes[0]?.prediction.createdAt)
  })

  it('can be followed forwards and backwards to the end, and shows each alert once', async () => {
    const { client, ids } = await tenantWith('walked', 11)
    await settled(client, 11)
    const pages: string[][] = []
    let after: string | null = null
    for (let more = true; more; ) {
      const { nodes, pageInfo } = await page(client, { first: 4, after })
      pages.push(nodes.map(({ id }) => id))
      expect(pageInfo.hasPreviousPage).toBe(after !== null)
      more = pageInfo.hasNextPage
      after = pageInfo.endCursor ?? null
    }
    expect(pages).toEqual([ids.slice(0, 4), ids.slice(4, 8), ids.slice(8)])
    const back: string[][] = []
    let before: string | null = null
    for (let more = true; more; ) {
      const { nodes, pageInfo } = await page(client, { last: 4, before })
      back.unshift(nodes.map(({ id }) => id))
      expect(pageInfo.hasNextPage).toBe(before !== null)
      more = pageInfo.hasPreviousPage
      before = pageInfo.startCursor ?? null
    }
    expect(back).toEqual([ids.slice(0, 3), ids.slice(3, 7), ids.slice(7)])
  })

  it('between two cursors holds the alerts between them', async () => {
    const { client, ids } = await tenantWith('between', 6)
    await settled(client, 6)
    const cursors = (await page(client)).nodes.map(({ cursor }) => cursor)
    const range = { after: cursors[0] ?? '', before: cursors[4] ?? '' }
    expect(await idsOf(client, { first: 10, ...range })).toEqual(ids.slice(1, 4))
    expect(await idsOf(client, { last: 2, ...range })).toEqual(ids.slice(2, 4))
  })

  it('says that no page follows after the last alert, and has no cursors if it is empty', async () => {
    const { client, ids } = await tenantWith('exact', 2)
    await settled(client, 2)
    for (const size of [{ first: 2 }, { last: 2 }]) {
      const { nodes, pageInfo } = await page(client, size)
      expect(nodes.map(({ id }) => id)).toEqual(ids)
      expect(pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
    }
    const nobody = await gateway.as({ roles: ['MONITOR'], tenant: 'nobody' })
    const none = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null }
    expect(await page(nobody)).toEqual({ edges: [], nodes: [], pageInfo: none })
  })

  it('has the same cursors as the subscription and alertCursor, and accepts theirs', async () => {
    const { client, ids } = await tenantWith('same-cursors', 3)
    await settled(client, 3)
    const { nodes } = await page(client)
    await using resumed = subscribe(client, AlertsRaisedDocument, { after: nodes[0]?.cursor ?? '' })
    const heard = [await resumed.next(), await resumed.next()].map(({ highRiskScored }) => highRiskScored)
    expect(heard).toEqual(nodes.slice(1))
    expect(await idsOf(client, { after: heard[0]?.cursor ?? '' })).toEqual(ids.slice(2))
    const { alertCursor } = await client.data(AlertCursorDocument, {})
    expect(await idsOf(client, { after: alertCursor })).toEqual([])
    // alertCursor is the cursor of the last alert, so that a page before it excludes that alert.
    expect(await idsOf(client, { last: 2, before: alertCursor })).toEqual(ids.slice(0, 2))
    const { id } = await score(client, 'late', HIGH_RISK)
    await settled(client, 4)
    expect(await idsOf(client, { after: alertCursor })).toEqual([id])
    expect(await idsOf(client, { before: alertCursor })).toEqual(ids.slice(0, 2))
  })

  it('misses no alert for a client that polls from its last cursor while alerts are raised', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'polled' })
    const heard: string[] = []
    let after = (await client.data(AlertCursorDocument, {})).alertCursor
    let isOver = false
    const polling = (async () => {
      while (!isOver || heard.length < 120) {
        const { nodes, pageInfo } = await page(client, { first: 7, after })
        heard.push(...nodes.map(({ id }) => id))
        after = pageInfo.endCursor ?? after
      }
    })()
    const scored = await Promise.all(Array.from({ length: 120 }, (_, i) => score(client, `polled-${i}`, HIGH_RISK)))
    isOver = true
    await polling
    expect(heard.sort()).toEqual(scored.map(({ id }) => id).sort())
  })

  it('leaves out alerts that an open transaction may still precede', async () => {
    const { client, ids } = await tenantWith('held', 1)
    await settled(client, 1)
    const writer = await gateway.database.sql.reserve()
    await writer`begin`
    await writer`select pg_current_xact_id()`
    const late = await score(client, 'late', HIGH_RISK)
    expect(await idsOf(client)).toEqual(ids)
    expect(await idsOf(client, { last: 5 })).toEqual(ids)
    await writer`commit`
    writer.release()
    await settled(client, 2)
    expect(await idsOf(client)).toEqual([...ids, late.id])
  })

  it('shows no alert of another tenant, even with a cursor of that tenant', async () => {
    const here = await tenantWith('page-here', 2)
    const there = await tenantWith('page-there', 1)
    await settled(here.client, 2)
    await settled(there.client, 1)
    const [first] = (await page(here.client)).nodes
    expect(await idsOf(there.client)).toEqual(there.ids)
    expect(await idsOf(there.client, { after: first?.cursor ?? '' })).toEqual(there.ids)
  })

  it.each([{ first: 0 }, { first: 101 }, { last: 0 }, { last: 101 }, { first: 1, last: 1 }])('refuses %o', async size => {
    const client = await gateway.as({ roles: ['MONITOR'] })
    expect(await refusedWith(client, AlertsDocument, size)).toMatchObject({ code: 'BAD_USER_INPUT', status: 400 })
  })

  it('refuses invalid cursors, in both directions', async () => {
    const client = await gateway.as({ roles: ['MONITOR'] })
    const { alertCursor } = await client.data(AlertCursorDocument, {})
    const foreign = `${alertCursor.slice(0, 4)}ffffffff${alertCursor.slice(12)}`
    const ahead = `${alertCursor.slice(0, 12)}00ffffffffffffff${alertCursor.slice(28)}`
    for (const cursor of ['', 'canary', foreign, ahead])
      for (const place of [{ after: cursor }, { before: cursor }, { after: alertCursor, before: cursor }]) {
        expect(await refusedWith(client, AlertsDocument, place), cursor).toMatchObject({ code: 'BAD_CURSOR', status: 400 })
      }
  })

  it('reads the data beside each prediction with as many statements for a hundred as for one', async () => {
    await using proxy = await startStatementProxy(gateway.database.url)
    await using replica = await startGateway({ ...gateway.environment, DATABASE_URL: proxy.url }, gateway.database)
    const client = await replica.as({ roles: ['ADMIN'], tenant: 'nested' })
    const rows = Array.from({ length: 100 }, (_, i) => application(`nested-${i}`, HIGH_RISK))
    await scoreBatch(client, rows)
    await settled(client, 100)
    for (const first of [1, 100]) {
      proxy.take()
      const { alerts } = await client.data(AlertsInFullDocument, { first })
      // The upkeep of webhooks and statistics sends statements at the same time.
      const statements = proxy.take().filter(text => text.includes('predictions') && !/webhook|risk_deltas/.test(text))
      // One statement each for the page, the features and the latest predictions.
      expect(statements).toHaveLength(3)
      expect(new Set(alerts.nodes.map(({ prediction }) => prediction.applicant.latestPrediction?.id)).size).toBe(first)
    }
  })
})

describe('the filter of alerts', () => {
  it('by band and model applies to pages in both directions', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'filtered-page' })
    const order = [T7, HIGH_RISK, LOW_RISK, T7, HIGH_RISK, HIGH_RISK]
    const scored: { id: string; band: string }[] = []
    for (const [i, features] of order.entries()) scored.push(await score(client, `row-${i}`, features))
    await settled(client, 5)
    const ofBand = (band: string) => scored.filter(prediction => prediction.band === band).map(({ id }) => id)
    expect(await idsOf(client, { filter: { bands: ['T7'] } })).toEqual(ofBand('T7'))
    expect(await idsOf(client, { filter: { bands: ['T8', 'T8'] }, last: 2 })).toEqual(ofBand('T8').slice(-2))
    expect((await page(client, { filter: { bands: ['T8'] }, first: 2 })).pageInfo.hasNextPage).toBe(true)
    expect(await idsOf(client, { filter: { bands: ['T7', 'T8'], model: 'consumer-credit' } })).toHaveLength(5)
    expect(await idsOf(client, { filter: { model: 'mortgage' } })).toEqual([])
    expect(await idsOf(client, { filter: { bands: [] } })).toEqual([])
    expect(await idsOf(client, { filter: { bands: null, model: null, acknowledged: null } })).toHaveLength(5)
  })

  it('ends a page after fifty alerts read for each row asked for, and skips none in either direction', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'quiet' })
    const quiet = (name: string, count: number) =>
      scoreBatch(
        client,
        Array.from({ length: count }, (_, i) => application(`${name}-${i}`, T7)),
      )
    const passed = await quiet('before', 49)
    const edge = await score(client, 'edge', HIGH_RISK)
    await quiet('between', 60)
    const rare = await score(client, 'rare', HIGH_RISK)
    await quiet('after', 9)
    await expect.poll(async () => (await page(client, { last: 1 })).nodes[0]?.prediction.applicantId).toMatch(/^after/)
    const filter = { bands: ['T8' as const] }
    const forward: string[][] = []
    for (let after: string | null | undefined, more = true; more; ) {
      const { nodes, pageInfo } = await page(client, { first: 1, after: after ?? null, filter })
      forward.push(nodes.map(({ id }) => id))
      expect(pageInfo.endCursor).not.toBe(after)
      more = pageInfo.hasNextPage
      if (more) expect(pageInfo.endCursor).not.toBeNull()
      after = pageInfo.endCursor
    }
    // The first page reads fifty alerts, and this is the fiftieth.
    expect(forward).toEqual([[edge.id], [], [rare.id]])
    const backward: string[][] = []
    for (let before: string | null | undefined, more = true; more; ) {
      const { nodes, pageInfo } = await page(client, { last: 1, before: before ?? null, filter })
      backward.push(nodes.map(({ id }) => id))
      more = pageInfo.hasPreviousPage
      if (more) expect(pageInfo.startCursor).not.toBeNull()
      before = pageInfo.startCursor
    }
    expect(backward.flat()).toEqual([rare.id, edge.id])
    expect(backward.length).toBeLessThanOrEqual(5)
    // The cursor is an ordinary one: that of the last alert that was read.
    const { nodes, pageInfo } = await page(client, { first: 1, filter: { model: 'mortgage' } })
    expect(nodes).toEqual([])
    expect(pageInfo).toMatchObject({ hasNextPage: true, startCursor: null })
    const named = (await page(client, { first: 50 })).nodes.at(-1)
    expect(named).toMatchObject({ id: edge.id, cursor: pageInfo.endCursor })
    expect(passed.map(({ id }) => id)).not.toContain(named?.id)
    const short = await page(client, { first: 2, filter })
    expect(short.nodes.map(({ id }) => id)).toEqual([edge.id])
    expect(short.pageInfo.hasNextPage).toBe(true)
    expect(short.pageInfo.endCursor).toBe((await page(client, { first: 100 })).nodes.at(-1)?.cursor)
    expect(await idsOf(client, { first: 1, filter: { bands: [] } })).toEqual([])
  })

  it('loses no alert of a client that polls through pages without matches while alerts are raised', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'polled-filter' })
    const heard: string[] = []
    const wanted: string[] = []
    let isOver = false
    let quietPages = 0
    let after = (await client.data(AlertCursorDocument, {})).alertCursor
    const polling = (async () => {
      while (!isOver || heard.length < wanted.length) {
        const { nodes, pageInfo } = await page(client, { first: 1, after, filter: { bands: ['T8'] } })
        heard.push(...nodes.map(({ id }) => id))
        if (nodes.length === 0 && pageInfo.hasNextPage) quietPages++
        after = pageInfo.endCursor ?? after
      }
    })()
    const write = async (writer: number) => {
      for (let round = 0; round < 6; round++) {
        const rows = Array.from({ length: 100 }, (_, i) => application(`${writer}-${round}-${i}`, T7))
        const scored = await Promise.all([scoreBatch(client, rows), score(client, `rare-${writer}-${round}`, HIGH_RISK)])
        wanted.push(scored[1].id)
      }
    }
    await Promise.all([1, 2, 3].map(write))
    isOver = true
    await polling
    expect(heard.sort()).toEqual(wanted.sort())
    expect(quietPages).toBeGreaterThan(0)
  })
})
