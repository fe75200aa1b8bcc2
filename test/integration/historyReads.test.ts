import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Visibility } from '../../src/auth/principal.js'
import type { HistoryFilter, HistoryOrder, HistoryQuery } from '../../src/storage/historyQuery.js'
import { HistoryStore } from '../../src/storage/historyStore.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { fillHistory } from '../support/historyRows.js'
import { present } from '../support/process.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'

const ROWS = 100_000
const MONTHS = 13
const TENANT: Visibility = { tenant: 'default' }
const DAY_MS = 86_400_000
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
  ['by a range of probability, highest first', { probability: { from: 0.3, to: 0.6 } }, 'PROBABILITY_DESC'],
  ['by a range of probability, lowest first', { probability: { from: 0.3, to: 0.6 } }, 'PROBABILITY_ASC'],
  ['by channel', { channel: 'branch' }, 'CREATED_AT_DESC'],
  ['without outcome', { hasOutcome: false }, 'CREATED_AT_DESC'],
  ['with outcome', { hasOutcome: true }, 'CREATED_AT_ASC'],
]
// Ends within months: 20 days of one and all of the next two.
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
          let cursor: string | undefined
          for (let number = 1; number <= 3; number++) {
            const { entries, hasMore } = await page(query, order, { size, backward, [backward ? 'before' : 'after']: cursor })
            // The model version of long ago has no rows in the last months.
            if (entries.length > 0) expect(entries).toHaveLength(size)
            const { statements, rows, scans, pages } = await readings()
            expect(statements).toBe(1)
            // Each scan of a list looks one row ahead; the list of each band is read to the page's end.
            const lists = new Set(query.bands).size || 1
            expect(rows).toBeLessThanOrEqual(2 * lists * (size + 1) + scans)
            expect(pages).toBeLessThanOrEqual(2 * rows + 5 * scans)
            if (!hasMore) break
            cursor = present(backward ? entries[0] : entries.at(-1)).cursor
          }
        },
      )
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
