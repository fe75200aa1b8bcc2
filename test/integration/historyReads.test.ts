import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Visibility } from '../../src/auth/principal.js'
import type { AppError } from '../../src/errors.js'
import { encodeHistoryCursor } from '../../src/storage/history/historyCursor.js'
import type {
  HistoryFilter,
  HistoryOrder,
  HistoryPage,
  HistoryQuery,
  HistoryTotal,
} from '../../src/storage/history/historyQuery.js'
import { HistoryStore } from '../../src/storage/history/historyStore.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { fillHistory } from '../support/historyRows.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'
import { idAt } from '../support/stores.js'

const ROWS = 100_000
const MONTHS = 13
const TENANT: Visibility = { tenant: 'default' }
const DAY_MS = 86_400_000
// Where a range begins or ends within a month, its other rows are passed over in the index: those of one probability after the other.
const PASSED_OVER_PAGES = 1_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)

let owned: TestDatabase
let database: RecordedDatabase
let history: HistoryStore

/** A history of its own for the tests of a block. */
function useHistory(fill: (owned: TestDatabase) => Promise<unknown>): void {
  beforeAll(async () => {
    owned = await createTestDatabase()
    await migrateDatabase(owned.url)
    await fill(owned)
    database = new RecordedDatabase(owned.url)
    history = new HistoryStore(database)
  })
  beforeEach(() => void database.take())
  afterAll(async () => {
    await database.close()
    await owned[Symbol.asyncDispose]()
  })
}

const page = (filter: HistoryFilter, order: HistoryOrder, rest: Partial<HistoryQuery> = {}, visibility = TENANT) =>
  history.page(visibility, { filter, order, size: 20, backward: false, ...rest })

/** What the statements since the last time read together. */
async function readings() {
  const each = await Promise.all(database.take().map(statement => database.reading(statement)))
  const sum = (of: 'rows' | 'scans' | 'pages') => each.reduce((total, reading) => total + reading[of], 0)
  return { statements: each.length, rows: sum('rows'), scans: sum('scans'), pages: sum('pages') }
}

const VERSION_2 = { model: 'consumer-credit', modelVersion: '2' }
const SHAPES: [string, HistoryFilter, HistoryOrder][] = [
  ['newest first', {}, 'CREATED_AT_DESC'],
  ['oldest first', {}, 'CREATED_AT_ASC'],
  ['by applicant', { applicantId: 'applicant-0' }, 'CREATED_AT_DESC'],
  ['by one band', { bands: ['T8'] }, 'CREATED_AT_DESC'],
  ['by several bands', { bands: ['T7', 'T3', 'T8'] }, 'CREATED_AT_DESC'],
  ['by high risk', { highRisk: true }, 'CREATED_AT_DESC'],
  ['by model version', VERSION_2, 'CREATED_AT_DESC'],
  ['by a model version of long ago', { ...VERSION_2, modelVersion: '1' }, 'CREATED_AT_DESC'],
  ['by probability, highest first', {}, 'PROBABILITY_DESC'],
  ['by probability, lowest first', {}, 'PROBABILITY_ASC'],
  ['by a range of probability, highest first', { probability: { from: 0.1, to: 0.9 } }, 'PROBABILITY_DESC'],
  ['by a range of probability, lowest first', { probability: { from: 0.1, to: 0.9 } }, 'PROBABILITY_ASC'],
  ['by channel', { channel: 'branch' }, 'CREATED_AT_DESC'],
  ['without outcome', { hasOutcome: false }, 'CREATED_AT_DESC'],
  ['with outcome', { hasOutcome: true }, 'CREATED_AT_ASC'],
]
// Ends within months, wherever today is in its own.
const RANGES: [string, HistoryFilter['createdAt']][] = [
  ['of all time', undefined],
  ['since 80 days', { from: daysAgo(80) }],
  ['until 200 days ago', { to: daysAgo(200) }],
]

describe('among 100,000 rows of 14 months', () => {
  useHistory(({ sql }) => fillHistory(sql, { rows: ROWS, months: MONTHS }))

  describe.each(SHAPES)('a page %s', (_shape, filter, order) => {
    describe.each(RANGES)('%s', (_range, createdAt) => {
      it.each([
        [20, false],
        [100, false],
        [20, true],
        [100, true],
      ])(
        'of %i rows (backward: %s) reads little more than its rows, at the beginning and in the middle',
        async (size, backward) => {
          const query = { ...filter, ...(createdAt && { createdAt }) }
          // A cursor need not be of a row: this one is of a place within all ranges of time and of probability.
          const middle = encodeHistoryCursor(
            { id: idAt(createdAt?.from ? daysAgo(40) : daysAgo(250)), probability: 0.45 },
            query,
            order,
          )
          for (const cursor of [undefined, middle]) {
            const { entries } = await page(query, order, { size, backward, [backward ? 'before' : 'after']: cursor })
            // Version 1 has no rows in the last months, nor version 2 any in the first.
            if (entries.length > 0 || !filter.modelVersion) expect(entries).toHaveLength(size)
            const { statements, rows, scans, pages } = await readings()
            expect(statements).toBe(1)
            // Each scan of a list looks one row ahead; the list of each band is read to the page's end.
            const lists = new Set(query.bands).size || 1
            expect(rows).toBeLessThanOrEqual(2 * lists * (size + 1) + scans)
            expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans)
          }
        },
      )
    })
  })

  it.each(SHAPES)(
    'a page %s of a tenant that has one row in fifty reads little more than its rows',
    async (_shape, filter, order) => {
      for (const backward of [false, true]) {
        const visibility = { tenant: 'other-bank' }
        const { entries } = await page(filter, order, { backward }, visibility)
        const { rows, scans, pages } = await readings()
        expect(entries.length).toBeGreaterThan(0)
        expect(rows).toBeLessThanOrEqual(2 * (filter.bands?.length ?? 1) * 21 + scans)
        expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans)
      }
    },
  )

  it('is planned for its own values each time: nothing is prepared', async () => {
    for (let use = 0; use < 10; use++) await page({ channel: 'web', bands: ['T8'] }, 'CREATED_AT_DESC')
    const prepared = await database.read(({ sql }) => sql`select statement from pg_prepared_statements`.then(rows => [...rows]))
    expect(JSON.stringify(prepared)).not.toContain('predictions')
  })

  it.each<[string, string[], HistoryFilter, HistoryOrder?, Visibility?]>([
    ['two long lists with nothing in common', ['bands, highRisk', 'createdAt'], { bands: ['T8'], highRisk: false }],
    ['a version without its model', ['add model'], { modelVersion: '3' }],
    ['a model without a version', ['add modelVersion'], { model: 'mortgage' }],
    ['a range of probability far from a band', ['PROBABILITY'], { probability: { from: 0.3 }, bands: ['T1'] }],
    ['an order by probability from the wrong end', ['a range of probability'], { highRisk: true }, 'PROBABILITY_ASC'],
    ['a band by probability', ['the range of probability of these bands'], { bands: ['T5'] }, 'PROBABILITY_DESC'],
    [
      'a band by probability from the wrong end of some days',
      ['a shorter range of createdAt', 'the range of probability of these bands'],
      { createdAt: { from: daysAgo(9), to: daysAgo(6) }, bands: ['T1'] },
      'PROBABILITY_DESC',
    ],
    [
      'what one principal has not asked for',
      ['createdAt'],
      { hasOutcome: true, highRisk: false, model: 'x' },
      'CREATED_AT_DESC',
      { ...TENANT, requestedBy: 'small-shop' },
    ],
  ])(
    'is QUERY_TOO_BROAD for %s, says %j, and has read at most 50 times the page',
    async (_what, words, filter, order = 'CREATED_AT_DESC', visibility) => {
      const size = 4
      const message = await page(filter, order, { size }, visibility).then(
        () => '',
        (error: AppError) => `${error.code}: ${error.message}`,
      )
      expect(message).toMatch(/^QUERY_TOO_BROAD: /)
      for (const word of words) expect(message).toContain(word)
      expect(message).not.toMatch(/T1|T8|0\.3|mortgage|small-shop/)
      const { rows, scans } = await readings()
      expect(rows).toBeLessThanOrEqual(50 * size + scans)
    },
  )

  it('reads the rows of a band by probability, little more than its rows, with the range of the band', async () => {
    for (const order of ['PROBABILITY_ASC', 'PROBABILITY_DESC'] as const) {
      const { entries } = await page({ bands: ['T5'], probability: { from: 0.15, to: 0.22 } }, order)
      expect(entries).toHaveLength(20)
      const { rows, scans } = await readings()
      expect(rows).toBeLessThanOrEqual(2 * 21 + scans)
    }
  })

  it('finds by a second index what the first would read too much for', async () => {
    // Every tenth row is of the one applicant; of another's few rows each is found, whatever else is asked.
    const { entries } = await page({ channel: 'web', applicantId: 'applicant-7', probability: { from: 0 } }, 'PROBABILITY_ASC')
    expect(entries.length).toBeGreaterThan(0)
    const { rows, scans } = await readings()
    expect(rows).toBeLessThanOrEqual(50 * 20 + scans)
  })

  it('reads the pages of a hundred applicants at once, little more than their rows', async () => {
    const queries = Array.from({ length: 100 }, (_, i) => ({ applicantId: `applicant-${i}`, size: 3 }))
    const pages = await history.pagesOfApplicants(TENANT, queries)
    const found = pages.reduce((sum, answer) => sum + ('entries' in answer ? answer.entries.length : Number.NaN), 0)
    expect(found).toBeGreaterThan(250)
    const { statements, rows } = await readings()
    expect(statements).toBe(1)
    // EXPLAIN gives means of a hundred loops, which PostgreSQL 15 rounds to whole rows; all that these applicants have would be 6,000.
    expect(rows).toBeLessThanOrEqual(2 * 100 * 4)
  })

  it('refuses the list of one applicant, and serves the next, where one principal asked for too few of many rows', async () => {
    const queries = ['applicant-0', 'applicant-7'].map(applicantId => ({ applicantId, size: 3 }))
    const [broad, narrow] = await history.pagesOfApplicants({ ...TENANT, requestedBy: 'small-shop' }, queries)
    expect(broad).toMatchObject({ code: 'QUERY_TOO_BROAD', message: expect.stringContaining('createdAt') })
    expect(narrow).toMatchObject({ entries: [], hasMore: false })
  })

  it('reads the pages of an applicant with thousands of predictions one by one, little more than their rows', async () => {
    let after: string | undefined
    for (let number = 1; number <= 3; number++) {
      const [answer] = await history.pagesOfApplicants(TENANT, [{ applicantId: 'applicant-0', size: 100, after }])
      const { entries } = answer as HistoryPage
      expect(entries).toHaveLength(100)
      after = entries.at(-1)?.cursor
      const { rows, scans } = await readings()
      expect(rows).toBeLessThanOrEqual(101 + scans)
    }
  })

  it.each<[string, HistoryFilter, HistoryTotal | { exact: boolean }, number]>([
    ['of all rows', {}, { exact: false }, 10_001],
    ['of an applicant', { applicantId: 'applicant-1' }, { exact: true }, 100],
    ['of two conditions', { bands: ['T8'], highRisk: false }, { count: 0, exact: true }, 50_000],
    ['of two conditions that are too long for it', { hasOutcome: false, highRisk: false }, { exact: false }, 50_000],
  ])('counts the total %s without reading too much', async (_what, filter, expected, atMost) => {
    expect(await history.total(TENANT, filter)).toMatchObject(expected)
    const { rows, scans } = await readings()
    expect(rows).toBeLessThanOrEqual(atMost + scans)
  })

  it('counts the totals of a hundred applicants in two statements, also where one has thousands', async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `applicant-${i}`)
    const totals = await history.totalsOfApplicants(TENANT, ids)
    const wanted = await owned.sql<{ id: string; count: number }[]>`
      select applicant_id as id, count(*)::int as count from predictions
      where tenant = 'default' and applicant_id = any(${ids}) group by 1`
    expect(totals).toEqual(ids.map(id => ({ count: wanted.find(row => row.id === id)?.count ?? 0, exact: true })))
    const { statements, rows } = await readings()
    expect(statements).toBe(2)
    expect(rows).toBeLessThanOrEqual(20_000)
  })
})

describe('by probability, where all rows before the 11th of a month are below the others and all after the 20th above them', () => {
  const at = (text: string) => new Date(`${text}:00.000Z`)
  let inOrder: { id: string; createdAt: Date }[] = []
  const idsOf = ({ from = new Date(0), to = new Date() }: NonNullable<HistoryFilter['createdAt']>, order: HistoryOrder) => {
    const ids = inOrder.filter(({ createdAt }) => createdAt >= from && createdAt < to).map(({ id }) => id)
    return order === 'PROBABILITY_ASC' ? ids : ids.reverse()
  }
  useHistory(async ({ sql }) => {
    await fillHistory(sql, { rows: 30_000, months: 2, until: at('2024-04-01T00:00') })
    await sql`
      update predictions set probability = case
        when extract(day from created_at at time zone 'UTC') <= 10 then 0
        when extract(day from created_at at time zone 'UTC') > 20 then 1
        else probability end`
    await sql`vacuum analyze predictions`
    inOrder = await sql`
      select id, created_at as "createdAt" from predictions where tenant = 'default' order by probability, id`
  })

  describe.each<[string, string | undefined, string | undefined]>([
    ['the first minute of a month', '2024-03-01T00:00', '2024-03-01T00:01'],
    ['the last hour of a month', '2024-02-29T23:00', '2024-03-01T00:00'],
    ['the last hour of a month and the first of the next', '2024-02-29T23:00', '2024-03-01T01:00'],
    ['the 29th of February', '2024-02-29T00:00', '2024-03-01T00:00'],
    ['the last and the first day of months', '2024-02-29T00:00', '2024-03-02T00:00'],
    ['two days in the middle', '2024-02-15T12:00', '2024-02-17T12:00'],
    ['the middle of a month', '2024-02-11T00:00', '2024-02-21T00:00'],
    ['the middle of one to the middle of the next', '2024-02-15T13:37', '2024-03-15T13:37'],
    ['a month', '2024-02-01T00:00', '2024-03-01T00:00'],
    ['all since the last minutes of a month', '2024-01-31T23:50', undefined],
    ['all since the middle of a month', '2024-01-16T00:00', undefined],
    ['all until the first day of a month', undefined, '2024-03-01T09:00'],
    ['all until the middle of a month', undefined, '2024-02-16T00:00'],
    ['an hour', '2024-02-15T12:00', '2024-02-15T13:00'],
  ])('%s', (_range, from, to) => {
    const createdAt = { ...(from && { from: at(from) }), ...(to && { to: at(to) }) }
    const isShort = from && to && at(to).getTime() - at(from).getTime() <= DAY_MS

    it.each<[HistoryOrder, number]>([
      ['PROBABILITY_ASC', 1],
      ['PROBABILITY_ASC', 20],
      ['PROBABILITY_DESC', 1],
      ['PROBABILITY_DESC', 20],
    ])('is read page by page in order %s, %i a page, little more than its rows', async (order, size) => {
      const wanted = idsOf(createdAt, order)
      let after: string | undefined
      for (let number = 0; number < 3; number++) {
        const { entries, hasMore } = await page({ createdAt }, order, { size, after })
        expect(entries.map(({ prediction }) => prediction.id)).toEqual(wanted.slice(number * size, (number + 1) * size))
        expect(hasMore).toBe(wanted.length > (number + 1) * size)
        const { rows, scans, pages } = await readings()
        // A range of up to a day is tried by time before.
        const tried = isShort ? 50 * size : 0
        expect(rows).toBeLessThanOrEqual(tried + size + 1 + scans)
        expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans + PASSED_OVER_PAGES)
        if (!hasMore) break
        after = entries.at(-1)?.cursor
      }
    })
  })
})

describe('where nearly all rows of a month are alike, and the others lie where the reading begins', () => {
  useHistory(async ({ sql }) => {
    await fillHistory(sql, { rows: 20_000, months: 1 })
    await sql`
      update predictions p
      set model_version = kind, channel = kind, requested_by = kind, applicant_id = kind, high_risk = kind = 'new',
        band = case kind when 'new' then 8 else 1 end, defaulted = case kind when 'old' then true end
      from (select id, case when row_number() over (order by id) <= 800 then 'old' else 'new' end as kind from predictions) as kinds
      where p.id = kinds.id`
    await sql`vacuum analyze predictions`
  })

  it.each<[string, HistoryFilter, Visibility?]>([
    ['by applicant', { applicantId: 'new' }],
    ['by band', { bands: ['T8'] }],
    ['by several bands', { bands: ['T8', 'T7'] }],
    ['by high risk', { highRisk: true }],
    ['by model version', { ...VERSION_2, modelVersion: 'new' }],
    ['by channel', { channel: 'new' }],
    ['without outcome', { hasOutcome: false }],
    ['of one principal', {}, { ...TENANT, requestedBy: 'new' }],
  ])('a page %s reads little more than its rows, from either end', async (_shape, filter, visibility) => {
    for (const backward of [false, true]) {
      const { entries } = await page(filter, 'CREATED_AT_ASC', { backward }, visibility)
      expect(entries).toHaveLength(20)
      const { rows, scans, pages } = await readings()
      expect(rows).toBeLessThanOrEqual(21 + scans)
      expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans)
    }
  })
})
