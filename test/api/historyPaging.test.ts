import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, goldenRows, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  HistoryDocument,
  HistoryEdgesDocument,
  type HistoryQueryVariables,
  type PredictionOrder,
  type ScoredFragment,
} from '../support/generated/operations.js'
import { score, scoreBatch } from '../support/stored.js'

const ROWS = 57
const ORDERS: readonly PredictionOrder[] = ['CREATED_AT_DESC', 'CREATED_AT_ASC', 'PROBABILITY_DESC', 'PROBABILITY_ASC']

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** 57 rows of a new tenant; 17 have the same probability, so that pages end between equal rows. */
async function history(tenant: string) {
  const client = await gateway.as({ roles: ['ADMIN'], tenant })
  const items = goldenRows('2')
    .slice(0, ROWS)
    .map(({ features }, i) => application(`row-${i}`, i % 10 < 3 ? LOW_RISK : features))
  return { client, rows: await scoreBatch(client, items) }
}

function inOrder(rows: readonly ScoredFragment[], order: PredictionOrder): string[] {
  const sign = order.endsWith('_ASC') ? 1 : -1
  const byProbability = order.startsWith('PROBABILITY')
  const compare = (a: ScoredFragment, b: ScoredFragment) =>
    (byProbability && a.probability - b.probability) || (a.id < b.id ? -1 : 1)
  return [...rows].sort((a, b) => sign * compare(a, b)).map(({ id }) => id)
}

/** Reads every page from one end to the other; returns the ids in the order of the list. */
async function walk(
  client: GraphqlClient,
  variables: HistoryQueryVariables,
  { backward = false, between = async () => {} }: { backward?: boolean; between?: () => Promise<unknown> } = {},
): Promise<string[]> {
  const pages: string[][] = []
  let cursor: string | null | undefined
  for (;;) {
    const part = backward ? { last: 10, before: cursor ?? null } : { first: 10, after: cursor ?? null }
    const { predictions } = await client.data(HistoryDocument, { ...variables, ...part })
    const { hasNextPage, hasPreviousPage, startCursor, endCursor } = predictions.pageInfo
    pages.push(predictions.nodes.map(({ id }) => id))
    // Only the very first page has no rows on the side that the reading came from.
    expect(backward ? hasNextPage : hasPreviousPage).toBe(cursor !== undefined)
    if (!(backward ? hasPreviousPage : hasNextPage)) break
    expect(predictions.nodes).toHaveLength(10)
    cursor = backward ? startCursor : endCursor
    await between()
  }
  return (backward ? pages.reverse() : pages).flat()
}

describe.each(ORDERS)('history in the order %s', orderBy => {
  it.each([false, true])('is read completely and in order, backward: %s', async backward => {
    const { client, rows } = await history(`${orderBy}-${backward}`)
    expect(await walk(client, { orderBy }, { backward })).toEqual(inOrder(rows, orderBy))
  })

  it.each([false, true])('misses and repeats no row while new ones arrive between pages, backward: %s', async backward => {
    const { client, rows } = await history(`${orderBy}-${backward}-busy`)
    const between = () => scoreBatch(client, [application('new', LOW_RISK), application('new', HIGH_RISK)])
    const read = await walk(client, { orderBy }, { backward, between })
    expect(new Set(read).size).toBe(read.length)
    const wanted = inOrder(rows, orderBy)
    expect(read.filter(id => wanted.includes(id))).toEqual(wanted)
  })
})

describe('a page of history', () => {
  it('has twenty rows, newest first, by default', async () => {
    const { client, rows } = await history('default-page')
    const { predictions } = await client.data(HistoryDocument, {})
    expect(predictions.nodes.map(({ id }) => id)).toEqual(inOrder(rows, 'CREATED_AT_DESC').slice(0, 20))
    expect(predictions.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false })
  })

  it('gives each edge a cursor, and can resume after any of them', async () => {
    const { client, rows } = await history('edges')
    const wanted = inOrder(rows, 'PROBABILITY_ASC')
    const { predictions } = await client.data(HistoryEdgesDocument, { first: 100, orderBy: 'PROBABILITY_ASC' })
    const { edges, nodes, pageInfo } = predictions
    expect(edges.map(({ node }) => node.id)).toEqual(wanted)
    expect(nodes).toEqual(edges.map(({ node }) => node))
    expect(pageInfo).toEqual({ startCursor: edges[0]?.cursor, endCursor: edges.at(-1)?.cursor })
    for (const [i, { cursor }] of edges.entries()) {
      const next = await client.data(HistoryEdgesDocument, { first: 1, after: cursor, orderBy: 'PROBABILITY_ASC' })
      expect(next.predictions.nodes.map(({ id }) => id)).toEqual(wanted.slice(i + 1, i + 2))
    }
  })

  it('between two cursors holds the rows between them', async () => {
    const { client, rows } = await history('between')
    const wanted = inOrder(rows, 'CREATED_AT_DESC')
    const { predictions } = await client.data(HistoryEdgesDocument, { first: 100 })
    const [after, before] = [predictions.edges[4]?.cursor ?? '', predictions.edges[9]?.cursor ?? '']
    for (const size of [{ first: 50 }, { last: 50 }]) {
      const { predictions: page } = await client.data(HistoryDocument, { ...size, after, before })
      expect(page.nodes.map(({ id }) => id)).toEqual(wanted.slice(5, 9))
    }
  })

  it('is empty and has no cursors if there are no rows', async () => {
    const client = await gateway.as({ roles: ['ANALYST'], tenant: 'empty' })
    for (const size of [{ first: 5 }, { last: 5 }]) {
      const { predictions } = await client.data(HistoryDocument, size)
      const pageInfo = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null }
      expect(predictions).toEqual({ nodes: [], pageInfo })
    }
  })

  it('says that no page follows if it ends with the last row', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'exact' })
    await scoreBatch(client, [application('x'), application('y')])
    for (const size of [{ first: 2 }, { last: 2 }]) {
      const { predictions } = await client.data(HistoryDocument, size)
      expect(predictions.nodes).toHaveLength(2)
      expect(predictions.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
    }
  })

  it('holds a row as soon as its score has been answered', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'at-once' })
    for (let i = 0; i < 10; i++) {
      const { id } = await score(client, `at-once-${i}`)
      const { predictions } = await client.data(HistoryDocument, { first: 1 })
      expect(predictions.nodes[0]?.id).toBe(id)
    }
  })
})
