import { describe, expect, it } from 'vitest'
import type { SummaryInterval } from '../../src/monitoring/buckets.js'
import { RiskSummaries, type RiskSummary, type SummaryQuery } from '../../src/monitoring/riskSummary.js'
import { RISK_BANDS } from '../../src/scoring/bands.js'
import type { Prediction } from '../../src/scoring/prediction.js'
import { OutcomeStore } from '../../src/storage/predictions/outcomeStore.js'
import { RollupStore } from '../../src/storage/statistics/rollupStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { CHANGES, localName, QUARTER_MS, ZONES } from '../support/localTime.js'
import { randomPrediction } from '../support/predictions.js'
import { oneOf, type Random, randomFrom } from '../support/random.js'
import { openStores, type TestStores } from '../support/stores.js'

const INTERVALS: SummaryInterval[] = ['HOUR', 'DAY', 'WEEK', 'MONTH']
const MODELS = ['consumer-credit', 'mortgage']
const DAY_MS = 86_400_000
const LATER = new Date('2099-01-01')

type Row = Prediction & { defaulted?: boolean }

/** Stores predictions around days on which clocks change. */
async function storeAroundChanges(random: Random, stores: TestStores, count: number): Promise<Row[]> {
  const given = Array.from({ length: count }, (_, i) => {
    // Some are at the very beginning or end of a quarter of an hour.
    const offset = Math.floor((random() * 4 - 1.5) * DAY_MS)
    const edge = [0, offset, -1, offset][i % 4] as number
    const quarter = Math.floor((oneOf(random, CHANGES) + offset) / QUARTER_MS) * QUARTER_MS
    return randomPrediction(random, new Date(edge === offset ? oneOf(random, CHANGES) + offset : quarter + edge), MODELS)
  })
  await Promise.all(given.map(row => stores.predictions.record(row)))
  return given.map(({ prediction }) => prediction)
}

async function recordSome(random: Random, stores: TestStores, rows: Row[], share: number): Promise<void> {
  const withOutcome = rows.filter(() => random() < share)
  for (const row of withOutcome) row.defaulted = random() < 0.4
  await new OutcomeStore(stores.database).record(
    { tenant: 'default' },
    'desk',
    withOutcome.map(({ id, defaulted = false }) => ({ predictionId: id, defaulted, observedAt: LATER })),
  )
}

function randomQuery(random: Random): SummaryQuery {
  const interval = oneOf(random, INTERVALS)
  const from = oneOf(random, CHANGES) + Math.floor((random() - 0.5) * 4 * DAY_MS)
  const spans = [1, 1_000, QUARTER_MS, QUARTER_MS * 3, DAY_MS * 2, interval === 'HOUR' ? DAY_MS * 30 : DAY_MS * 300]
  const to = from + 1 + Math.floor(random() * oneOf(random, spans))
  const whole = (instant: number) => (random() < 0.3 ? Math.round(instant / QUARTER_MS) * QUARTER_MS : instant)
  const [first, last] = [whole(from), whole(to)]
  return {
    from: new Date(first),
    to: new Date(Math.max(last, first + 1)),
    interval,
    timeZone: oneOf(random, ZONES),
    ...(random() < 0.3 && { model: oneOf(random, [...MODELS, 'none']) }),
  }
}

function figuresOf(rows: readonly Row[]) {
  const withOutcome = rows.filter(({ defaulted }) => defaulted !== undefined)
  const rate = (part: number, whole: number) => (whole === 0 ? null : part / whole)
  return {
    count: rows.length,
    meanProbability: rows.length === 0 ? null : rows.reduce((sum, { probability }) => sum + probability, 0) / rows.length,
    observedDefaultRate: rate(withOutcome.filter(({ defaulted }) => defaulted).length, withOutcome.length),
    bands: RISK_BANDS.map(name => {
      const count = rows.filter(({ band }) => band === name).length
      return { band: name, count, share: rows.length === 0 ? 0 : count / rows.length }
    }),
  }
}

/** Rounds the numbers, because the last digits of sums depend on the order of adding. */
function rounded(summary: unknown): unknown {
  return JSON.parse(
    JSON.stringify(summary, (key, value: unknown) => (key === 'meanProbability' ? Number(value).toFixed(9) : value)),
  )
}

/** Expects the summary to equal a plain count of the rows. */
function expectCounted(summary: RiskSummary, rows: readonly Row[], { from, to, interval, timeZone, model }: SummaryQuery): void {
  const chosen = rows.filter(row => row.createdAt >= from && row.createdAt < to && (model === undefined || row.model === model))
  const { buckets, total, highRiskRate, ...figures } = summary
  const { count, ...expected } = figuresOf(chosen)
  expect(rounded(figures)).toEqual(rounded(expected))
  expect(total).toBe(count)
  expect(highRiskRate).toBe(count === 0 ? null : chosen.filter(({ highRisk }) => highRisk).length / count)
  const nameOf = (instant: Date) => localName(instant.getTime(), interval, timeZone)
  const byName = groupBy(chosen, row => nameOf(row.createdAt))
  const seen = new Set<string>()
  for (const { start, ...bucket } of buckets) {
    seen.add(nameOf(start))
    expect(rounded(bucket)).toMatchObject(rounded(figuresOf(byName.get(nameOf(start)) ?? [])) as object)
  }
  expect(seen.size).toBe(buckets.length)
  expect([...byName.keys()].filter(name => !seen.has(name))).toEqual([])
}

function groupBy(rows: readonly Row[], nameOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const name = nameOf(row)
    const group = groups.get(name)
    if (group) group.push(row)
    else groups.set(name, [row])
  }
  return groups
}

async function deltas({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`select count(*)::int as rows from risk_deltas`
  return row?.rows ?? 0
}

describe('a risk summary', () => {
  it.each([1])('equals a plain count in every zone, across clock changes, before and after folding, seed %i', async seed => {
    const random = randomFrom(seed)
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const rollups = new RollupStore(stores.database)
    const summaries = new RiskSummaries(rollups)
    const rows = await storeAroundChanges(random, stores, 600)
    const foreign = Array.from({ length: 50 }, () => ({ ...randomPrediction(random, new Date(oneOf(random, CHANGES))) }))
    await Promise.all(
      foreign.map(row => stores.predictions.record({ ...row, prediction: { ...row.prediction, tenant: 'other' } })),
    )
    const check = async (times: number) => {
      for (let i = 0; i < times; i++) {
        const query = randomQuery(random)
        const summary = await summaries.summarise('default', query)
        try {
          expectCounted(summary, rows, query)
        } catch (error) {
          throw new Error(`wrong for ${JSON.stringify(query)}`, { cause: error })
        }
      }
    }
    await check(40)
    await recordSome(random, stores, rows, 0.5)
    await check(40)
    await rollups.fold(AbortSignal.abort())
    expect(await deltas(database)).toBeGreaterThan(0)
    await rollups.fold()
    expect(await deltas(database)).toBe(0)
    await check(80)
    await recordSome(random, stores, rows, 0.3)
    rows.push(...(await storeAroundChanges(random, stores, 200)))
    await check(40)
    await rollups.fold()
    await rollups.fold()
    expect(await deltas(database)).toBe(0)
    await check(40)
  })

  it('has all bands and buckets, and no rates, if there are no predictions', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const summaries = new RiskSummaries(new RollupStore(stores.database))
    const query = { interval: 'DAY', timeZone: 'UTC' } as const
    const { buckets, ...whole } = await summaries.summarise('default', {
      ...query,
      from: new Date('2026-01-01'),
      to: new Date('2026-01-04'),
    })
    const bands = RISK_BANDS.map(band => ({ band, count: 0, share: 0 }))
    const none = { meanProbability: null, highRiskRate: null, observedDefaultRate: null, bands }
    expect(whole).toEqual({ total: 0, ...none })
    expect(buckets).toEqual([1, 2, 3].map(day => ({ start: new Date(Date.UTC(2026, 0, day)), count: 0, ...none })))
    for (const [from, to] of [
      ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
      ['9999-12-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
    ]) {
      const far = await summaries.summarise('default', { ...query, from: new Date(from ?? ''), to: new Date(to ?? '') })
      expect(far.total).toBe(0)
    }
  })

  it('has the same buckets as PostgreSQL', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const summaries = new RiskSummaries(new RollupStore(stores.database))
    for (const timeZone of ['Europe/Madrid', 'America/Santiago', 'Asia/Kathmandu']) {
      for (const interval of ['DAY', 'WEEK', 'MONTH'] as const) {
        const [from, to] = [new Date('2026-01-05T13:37:00Z'), new Date('2027-03-01T00:00:00Z')]
        const { buckets } = await summaries.summarise('default', { from, to, interval, timeZone })
        const cut = await database.sql<{ start: Date }[]>`
          select distinct date_trunc(${interval.toLowerCase()}, at, ${timeZone}) as start
          from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 ms', interval '1 hour') as at order by 1`
        expect(buckets.map(({ start }) => start)).toEqual(cut.map(({ start }) => start))
      }
    }
  })

  it('never shows a wrong total while several gateways fold', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using others = await openStores(database.url)
    await database.sql`
      insert into risk_deltas
      select 'default', 'consumer-credit', (i % 2)::text, timestamptz '2026-05-01Z' + i % 300 * interval '15 min', 1 + i % 8, 1, 0.5, i % 2, 1, i % 2
      from generate_series(1, 24000) i`
    const folders = [stores, stores, others, others].map(({ database: own }) => new RollupStore(own))
    const summaries = new RiskSummaries(new RollupStore(stores.database))
    let isFolding = true
    const folding = Promise.all(folders.map(folder => folder.fold())).finally(() => {
      isFolding = false
    })
    const query = { from: new Date('2026-04-30'), to: new Date('2026-05-20'), interval: 'DAY', timeZone: 'UTC' } as const
    let reads = 0
    do {
      const { total, meanProbability, observedDefaultRate, highRiskRate } = await summaries.summarise('default', query)
      expect({ total, meanProbability, observedDefaultRate, highRiskRate }).toEqual({
        total: 24_000,
        meanProbability: 0.5,
        observedDefaultRate: 0.5,
        highRiskRate: 0.5,
      })
      reads++
    } while (isFolding)
    await folding
    expect(reads).toBeGreaterThan(1)
    await folders[0]?.fold()
    expect(await deltas(database)).toBe(0)
    expect(await database.sql`select minutes, count(*)::int as rows from risk_rollups group by 1 order by 1`).toEqual([
      { minutes: 15, rows: 600 },
      { minutes: 60, rows: 600 },
      { minutes: 1_440, rows: 32 },
    ])
  })

  it.each([1])('shows at least all acknowledged and at most all sent writes while all write and fold, seed %i', async seed => {
    const random = randomFrom(seed)
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using others = await openStores(database.url)
    const summaries = new RiskSummaries(new RollupStore(others.database))
    const query = {
      from: new Date('2026-05-01T00:05Z'),
      to: new Date('2026-05-01T03:10Z'),
      interval: 'HOUR',
      timeZone: 'UTC',
    } as const
    const span = query.to.getTime() - query.from.getTime()
    const rows: Row[] = []
    const sent = { predictions: 0, outcomes: 0 }
    const acknowledged = { predictions: 0, outcomes: 0 }
    let isWriting = true

    async function write(writer: TestStores) {
      const outcomes = new OutcomeStore(writer.database)
      for (let round = 0; round < 25; round++) {
        const given = Array.from({ length: 20 }, () =>
          randomPrediction(random, new Date(query.from.getTime() + Math.floor(random() * span))),
        )
        sent.predictions += given.length
        await Promise.all(given.map(row => writer.predictions.record(row)))
        acknowledged.predictions += given.length
        const withOutcome: Row[] = given.map(({ prediction }) => ({ ...prediction, defaulted: random() < 0.5 }))
        sent.outcomes += withOutcome.length
        // All outcomes are recorded wrong first, and then corrected.
        for (const isRight of [false, true]) {
          const report = withOutcome.map(({ id, defaulted }) => ({
            predictionId: id,
            defaulted: (defaulted ?? false) === isRight,
            observedAt: LATER,
          }))
          await outcomes.record({ tenant: 'default' }, 'desk', report)
        }
        acknowledged.outcomes += withOutcome.length
        rows.push(...withOutcome)
      }
    }
    async function fold(folder: TestStores) {
      while (isWriting) await new RollupStore(folder.database).fold()
    }
    const store = new RollupStore(others.database)
    const starts = [new Date('2026-05-01T00:00Z')]
    const working = Promise.all([stores, others].map(write)).finally(() => {
      isWriting = false
    })
    const folding = Promise.all([stores, others, others].map(fold))
    while (isWriting) {
      const before = { ...acknowledged }
      const counts = await store.count('default', { from: query.from, to: query.to, starts })
      const after = { ...sent }
      const predictions = counts.reduce((sum, count) => sum + count.predictions, 0)
      const outcomes = counts.reduce((sum, count) => sum + count.outcomes, 0)
      const defaults = counts.reduce((sum, count) => sum + count.defaults, 0)
      expect(predictions).toBeGreaterThanOrEqual(before.predictions)
      expect(predictions).toBeLessThanOrEqual(after.predictions)
      expect(outcomes).toBeGreaterThanOrEqual(before.outcomes)
      expect(outcomes).toBeLessThanOrEqual(Math.min(after.outcomes, predictions))
      expect(defaults).toBeLessThanOrEqual(outcomes)
      expect(defaults).toBeGreaterThanOrEqual(0)
    }
    await Promise.all([working, folding])
    expectCounted(await summaries.summarise('default', query), rows, query)
    await store.fold()
    expectCounted(await summaries.summarise('default', query), rows, query)
  })

  it('up to now takes the current quarter hour from the statistics, and reads only newer predictions', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const store = new RollupStore(stores.database)
    const quarter = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS
    // Not in the first minute of a quarter hour, for which it is cheaper to read the predictions themselves.
    const to = new Date(Math.max(Date.now(), quarter + 60_000))
    // Statistics without predictions; only later predictions are in the table.
    await database.sql`insert into risk_deltas values ('default', 'consumer-credit', '2', ${new Date(quarter)}, 1, 1000, 500, 0, 0, 0)`
    const later = [0, 1, 30].map(ahead =>
      randomPrediction(randomFrom(ahead), new Date(Math.min(to.getTime() + ahead, quarter + QUARTER_MS - 1))),
    )
    await Promise.all(later.map(row => stores.predictions.record(row)))
    const query = { from: new Date(quarter - DAY_MS), to, starts: [new Date(quarter - DAY_MS)] }
    const total = async () => (await store.count('default', query)).reduce((sum, { predictions }) => sum + predictions, 0)
    expect(await total()).toBe(1_000)
    await store.fold()
    expect(await total()).toBe(1_000)
  })

  it.each([1])('up to now, or a little before, is exact while replicas with different clocks write, seed %i', async seed => {
    const random = randomFrom(seed)
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using others = await openStores(database.url)
    const store = new RollupStore(others.database)
    const summaries = new RiskSummaries(store)
    const rows: Row[] = []
    let isWriting = true
    const write = async (writer: TestStores, skew: number) => {
      for (let round = 0; round < 60; round++) {
        const given = Array.from({ length: 10 }, () => randomPrediction(random, new Date(Date.now() + skew), MODELS))
        await Promise.all(given.map(row => writer.predictions.record(row)))
        rows.push(...given.map(({ prediction }) => prediction))
      }
    }
    const writing = Promise.all([write(stores, 0), write(others, 2_000), write(stores, -2_000)]).finally(() => {
      isWriting = false
    })
    const folding = (async () => {
      while (isWriting) await store.fold()
    })()
    const from = new Date(Date.now() - DAY_MS)
    const query = (ago: number) => ({ from, to: new Date(Date.now() - ago), interval: 'HOUR', timeZone: 'UTC' }) as const
    while (isWriting) {
      for (const ago of [-1_000, 0, 1, 500, 1_500]) {
        const asked = query(ago)
        const known = rows.filter(({ createdAt }) => createdAt < asked.to).length
        const { total } = await summaries.summarise('default', asked)
        expect(total).toBeGreaterThanOrEqual(known)
      }
    }
    await Promise.all([writing, folding])
    await recordSome(random, stores, rows, 0.5)
    for (let round = 0; round < 2; round++) {
      for (let ago = -4_000; ago < 6_000; ago += 97) {
        const asked = query(ago)
        expectCounted(await summaries.summarise('default', asked), rows, asked)
      }
      await store.fold()
    }
  })
})
