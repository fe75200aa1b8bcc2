import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Visibility } from '../../src/auth/principal.js'
import { AppError } from '../../src/errors.js'
import { RISK_BANDS } from '../../src/scoring/bands.js'
import type { HistoryFilter, HistoryOrder } from '../../src/storage/history/historyQuery.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { fillHistory } from '../support/historyRows.js'
import { present } from '../support/process.js'
import { oneOf, type Random, randomFrom } from '../support/random.js'
import { openStores, type TestStores } from '../support/stores.js'

const ORDERS: readonly HistoryOrder[] = ['CREATED_AT_DESC', 'CREATED_AT_ASC', 'PROBABILITY_DESC', 'PROBABILITY_ASC']
const PAGES = 4

interface Row {
  readonly id: string
  readonly tenant: string
  readonly applicant_id: string
  readonly model: string
  readonly model_version: string
  readonly probability: number
  readonly band: number
  readonly high_risk: boolean
  readonly channel: string | null
  readonly created_at: Date
  readonly requested_by: string
  readonly defaulted: boolean | null
}

describe('history with random filters, orders and pages', () => {
  let owned: TestDatabase
  let stores: TestStores
  let rows: readonly Row[]
  beforeAll(async () => {
    owned = await createTestDatabase()
    stores = await openStores(owned.url)
    await fillHistory(owned.sql, { rows: 3_000, months: 3 })
    rows = await owned.sql<Row[]>`select * from predictions order by id`
  })
  afterAll(async () => {
    await stores[Symbol.asyncDispose]()
    await owned[Symbol.asyncDispose]()
  })

  function expectedIds(visibility: Visibility, filter: HistoryFilter, order: HistoryOrder): string[] {
    const sign = order.endsWith('_ASC') ? 1 : -1
    const compare = (a: Row, b: Row) =>
      sign * ((order.startsWith('PROBABILITY') && a.probability - b.probability) || (a.id < b.id ? -1 : 1))
    return rows
      .filter(row => belongs(row, visibility, filter))
      .sort(compare)
      .map(({ id }) => id)
  }

  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('equals a plain evaluation in memory, seed %i', async seed => {
    const random = randomFrom(seed)
    let answered = 0
    for (let round = 0; round < 25; round++) {
      const visibility: Visibility =
        random() < 0.3 ? { tenant: 'default', requestedBy: oneOf(random, SHOPS) } : { tenant: 'default' }
      const filter = randomFilter(rows, random)
      const order = oneOf(random, ORDERS)
      const backward = random() < 0.5
      const size = 1 + Math.floor(random() * 100)
      const wanted = expectedIds(visibility, filter, order)
      if (backward) wanted.reverse()
      const what = JSON.stringify({ seed, round, visibility, filter, order, backward, size })
      try {
        let cursor: string | undefined
        for (let number = 0; number < PAGES; number++) {
          const query = { filter, order, size, backward, [backward ? 'before' : 'after']: cursor }
          const { entries, hasMore } = await stores.history.page(visibility, query)
          const ids = entries.map(({ prediction }) => prediction.id)
          if (backward) ids.reverse()
          expect(ids, what).toEqual(wanted.slice(number * size, (number + 1) * size))
          expect(hasMore, what).toBe(wanted.length > (number + 1) * size)
          answered++
          if (!hasMore) break
          cursor = present(backward ? entries[0] : entries.at(-1)).cursor
        }
        const total = await stores.history.total(visibility, filter)
        expect(total, what).toEqual({ count: wanted.length, exact: true })
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'QUERY_TOO_BROAD') throw error
        expect(hasIndex(visibility, filter, order), what).toBe(false)
      }
    }
    expect(answered).toBeGreaterThan(25)
  })
})

/** Whether one index holds exactly this list. */
function hasIndex({ requestedBy }: Visibility, { createdAt: _, ...filter }: HistoryFilter, order: HistoryOrder): boolean {
  const names = [...Object.keys(filter), ...(requestedBy === undefined ? [] : ['requestedBy'])]
  if (order.startsWith('PROBABILITY')) return names.every(name => name === 'probability')
  const indexed = ['applicantId', 'bands', 'channel', 'hasOutcome', 'requestedBy', ...(filter.highRisk ? ['highRisk'] : [])]
  return names.length === 0 || (names.length === 1 && indexed.includes(names[0] as string))
}

const SHOPS = ['web-shop', 'small-shop', 'nobody'] as const

function belongs(row: Row, { tenant, requestedBy }: Visibility, filter: HistoryFilter): boolean {
  const { applicantId, bands, highRisk, model, modelVersion, probability, createdAt, hasOutcome, channel } = filter
  return (
    row.tenant === tenant &&
    [
      [requestedBy, row.requested_by],
      [applicantId, row.applicant_id],
      [highRisk, row.high_risk],
      [model, row.model],
      [modelVersion, row.model_version],
      [hasOutcome, row.defaulted !== null],
      [channel, row.channel],
    ].every(([wanted, given]) => wanted === undefined || wanted === given) &&
    (bands?.includes(present(RISK_BANDS[row.band - 1])) ?? true) &&
    row.probability >= (probability?.from ?? 0) &&
    row.probability < (probability?.to ?? 2) &&
    row.created_at >= (createdAt?.from ?? new Date(0)) &&
    row.created_at < (createdAt?.to ?? new Date(8e15))
  )
}

/** Has each condition with a chance of about one in five, mostly with values that occur. */
function randomFilter(rows: readonly Row[], random: Random): HistoryFilter {
  const any = () => oneOf(random, rows)
  const maybe = <T>(value: () => T): T | undefined => (random() < 0.2 ? value() : undefined)
  const range = <T>(value: () => T) => ({ from: random() < 0.6 ? value() : undefined, to: random() < 0.6 ? value() : undefined })
  const filter: HistoryFilter = {
    applicantId: maybe(() => any().applicant_id),
    bands: maybe(() => RISK_BANDS.filter(() => random() < 0.4)),
    highRisk: maybe(() => random() < 0.7),
    model: maybe(() => 'consumer-credit'),
    modelVersion: maybe(() => oneOf(random, ['1', '2', '3'])),
    probability: maybe(() => range(() => any().probability)),
    createdAt: maybe(() => range(() => any().created_at)),
    hasOutcome: maybe(() => random() < 0.5),
    channel: maybe(() => any().channel ?? 'nowhere'),
  }
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
}
