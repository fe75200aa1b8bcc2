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
import { present } from '../support/process.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'
import { idAt } from '../support/stores.js'

const ROWS = 100_000
const MONTHS = 13
const TENANT: Visibility = { tenant: 'default' }
const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)

let owned: TestDatabase
let database: RecordedDatabase
let history: HistoryStore

/** Fills a new history for the tests of a block. */
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

/** The total that all statements since the last call have read. */
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
  ['by an old model version', { ...VERSION_2, modelVersion: '1' }, 'CREATED_AT_DESC'],
  ['by probability, highest first', {}, 'PROBABILITY_DESC'],
  ['by probability, lowest first', {}, 'PROBABILITY_ASC'],
  ['by a range of probability, highest first', { probability: { from: 0.1, to: 0.9 } }, 'PROBABILITY_DESC'],
  ['by a range of probability, lowest first', { probability: { from: 0.1, to: 0.9 } }, 'PROBABILITY_ASC'],
  ['by channel', { channel: 'branch' }, 'CREATED_AT_DESC'],
  ['without outcome', { hasOutcome: false }, 'CREATED_AT_DESC'],
  ['with outcome', { hasOutcome: true }, 'CREATED_AT_ASC'],
]
// The ranges end within a month, wherever today is in its own.
const RANGES: [string, HistoryFilter['createdAt']][] = [
  ['of all time', undefined],
  ['of the last 80 days', { from: daysAgo(80) }],
  ['up to 200 days ago', { to: daysAgo(200) }],
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
          // A cursor need not belong to a row: this one is at a position within all ranges of time and probability.
          const middle = encodeHistoryCursor(
            { id: idAt(createdAt?.from ? daysAgo(40) : daysAgo(250)), probability: 0.45 },
            query,
            order,
          )
          for (const cursor of [undefined, middle]) {
            const { entries } = await page(query, order, { size, backward, [backward ? 'before' : 'after']: cursor })
            // Version 1 has no rows in the last months, and version 2 has none in the first.
            if (entries.length > 0 || !filter.modelVersion) expect(entries).toHaveLength(size)
            const { statements, rows, scans, pages } = await readings()
            expect(statements).toBe(1)
            // Each scan of a list looks one row ahead, and each band's list is read up to the size of the page.
            const lists = new Set(query.bands).size || 1
            expect(rows).toBeLessThanOrEqual(2 * lists * (size + 1) + scans)
            expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans)
          }
        },
      )
    })
  })

  it.each(SHAPES)(
    'a page %s of a tenant with one row in fifty reads little more than its rows',
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

  it('a page is planned for its own values each time: no statement is prepared', async () => {
    for (let use = 0; use < 10; use++) await page({ channel: 'web', bands: ['T8'] }, 'CREATED_AT_DESC')
    const prepared = await database.read(({ sql }) => sql`select statement from pg_prepared_statements`.then(rows => [...rows]))
    expect(JSON.stringify(prepared)).not.toContain('predictions')
  })

  it.each<[string, string[], HistoryFilter, HistoryOrder?, Visibility?]>([
    ['two long lists without common rows', ['bands, highRisk', 'range of time'], { bands: ['T8'], highRisk: false }],
    ['a version without its model', ['add model'], { modelVersion: '3' }],
    ['a model without a version', ['add modelVersion'], { model: 'mortgage' }],
    ['a range of probability far from a band', ['PROBABILITY'], { probability: { from: 0.3 }, bands: ['T1'] }],
    ['an order by probability from the wrong end', ['a range of probability'], { highRisk: true }, 'PROBABILITY_ASC'],
    ['a band by probability', ['the probability range of these bands'], { bands: ['T5'] }, 'PROBABILITY_DESC'],
    [
      'a band by probability from the wrong end of some days',
      ['a shorter range of time', 'the probability range of these bands'],
      { createdAt: { from: daysAgo(9), to: daysAgo(6) }, bands: ['T1'] },
      'PROBABILITY_DESC',
    ],
    [
      'a filter without matches for one principal',
      ['range of time'],
      { hasOutcome: true, highRisk: false, model: 'x' },
      'CREATED_AT_DESC',
      { ...TENANT, requestedBy: 'small-shop' },
    ],
  ])(
    'a page is QUERY_TOO_BROAD for %s, says %j, and reads at most 50 times its size',
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

  it('a page of a band by probability, with the range of that band, reads little more than its rows', async () => {
    for (const order of ['PROBABILITY_ASC', 'PROBABILITY_DESC'] as const) {
      const { entries } = await page({ bands: ['T5'], probability: { from: 0.15, to: 0.22 } }, order)
      expect(entries).toHaveLength(20)
      const { rows, scans } = await readings()
      expect(rows).toBeLessThanOrEqual(2 * 21 + scans)
    }
  })

  it('a page uses a second index if the first would read too much', async () => {
    // One applicant has every tenth row. The few rows of any other are all read, whatever the other conditions are.
    const { entries } = await page({ channel: 'web', applicantId: 'applicant-7', probability: { from: 0 } }, 'PROBABILITY_ASC')
    expect(entries.length).toBeGreaterThan(0)
    const { rows, scans } = await readings()
    expect(rows).toBeLessThanOrEqual(50 * 20 + scans)
  })

  it('the pages of a hundred applicants at once read little more than their rows', async () => {
    const queries = Array.from({ length: 100 }, (_, i) => ({ applicantId: `applicant-${i}`, size: 3 }))
    const pages = await history.pagesOfApplicants(TENANT, queries)
    const found = pages.reduce((sum, answer) => sum + ('entries' in answer ? answer.entries.length : Number.NaN), 0)
    expect(found).toBeGreaterThan(250)
    const { statements, rows } = await readings()
    expect(statements).toBe(1)
    // EXPLAIN gives the mean of a hundred loops, rounded to whole rows by PostgreSQL 15. These applicants have 6,000 rows in all.
    expect(rows).toBeLessThanOrEqual(2 * 100 * 4)
  })

  it('the list of an applicant with too few matches among many rows is refused, and the next one served', async () => {
    const queries = ['applicant-0', 'applicant-7'].map(applicantId => ({ applicantId, size: 3 }))
    const [broad, narrow] = await history.pagesOfApplicants({ ...TENANT, requestedBy: 'small-shop' }, queries)
    expect(broad).toMatchObject({ code: 'QUERY_TOO_BROAD', message: expect.stringContaining('createdAt') })
    expect(narrow).toMatchObject({ entries: [], hasMore: false })
  })

  it('successive pages of an applicant with thousands of predictions read little more than their rows', async () => {
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
    ['of two conditions with too many rows', { hasOutcome: false, highRisk: false }, { exact: false }, 50_000],
  ])('the total %s is counted without reading too much', async (_what, filter, expected, atMost) => {
    expect(await history.total(TENANT, filter)).toMatchObject(expected)
    const { rows, scans } = await readings()
    expect(rows).toBeLessThanOrEqual(atMost + scans)
  })

  it('the totals of a hundred applicants take two statements, even if one has thousands of rows', async () => {
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
  // The index holds the time too: the rows of a month that are not in the range cost pages of the index, and none of the table.
  let indexPages = 0
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
    const [index] = await sql<{ pages: number }[]>`
      select sum(relpages)::int as pages from pg_inherits join pg_class on oid = inhrelid
      where inhparent = 'predictions_by_probability'::regclass`
    indexPages = present(index).pages
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
    ])('is read page by page in order %s, %i a page, and reads no row of the table outside its page', async (order, size) => {
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
        expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans + indexPages)
        if (!hasMore) break
        after = entries.at(-1)?.cursor
      }
    })

    it('has a total; that of a day is counted without a look at the rest of the month', async () => {
      const expected = idsOf(createdAt, 'PROBABILITY_ASC').length
      const total = await history.total(TENANT, { createdAt, probability: { from: 0 } })
      expect(total.exact).toBe(expected <= 10_000)
      const { rows, scans } = await readings()
      if (expected <= 10_000) expect(total.count).toBe(expected)
      expect(rows).toBeLessThanOrEqual((isShort ? expected : 50_000) + scans)
    })
  })
})

describe('if nearly all rows of a month are alike, and the others are where reading begins', () => {
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
