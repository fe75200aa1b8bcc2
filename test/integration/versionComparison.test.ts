import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ComparisonQuery, compareVersions } from '../../src/monitoring/versionComparison.js'
import { bandNumber, bandOfNumber, type RiskBand } from '../../src/scoring/bands.js'
import { ensurePartitions } from '../../src/storage/postgres/partitions.js'
import { ComparisonStore } from '../../src/storage/releases/comparisonStore.js'
import { ShadowStore } from '../../src/storage/releases/shadowStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { randomFrom } from '../support/random.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'
import { idAt } from '../support/stores.js'

const FROM = new Date('2031-03-20T00:00:00.000Z')
const TO = new Date('2031-04-10T00:00:00.000Z')
const QUERY: ComparisonQuery = { model: 'm', version: '2', against: '1', from: FROM, to: TO }

/** An application that version `answered` has answered, and `scored` has scored apart; undefined for nobody. */
interface Pair {
  readonly id: string
  readonly tenant: string
  readonly model: string
  readonly answered: string
  readonly scored: string | undefined
  readonly at: Date
  readonly probabilities: readonly [number, number]
  readonly bands: readonly [RiskBand, RiskBand]
}

describe('the comparison of two versions', () => {
  let database: TestDatabase
  let recorded: RecordedDatabase
  let store: ComparisonStore
  const pairs = madePairs(4_000)
  beforeAll(async () => {
    database = await createTestDatabase()
    for (const instant of [FROM, TO]) await ensurePartitions(database.sql, instant)
    recorded = new RecordedDatabase(database.url)
    store = new ComparisonStore(recorded)
    await storePredictions(database, pairs)
    const shadows = new ShadowStore(recorded)
    const scored = pairs.flatMap(pair => (pair.scored === undefined ? [] : [shadowOf(pair, pair.scored)]))
    for (let i = 0; i < scored.length; i += 256) await shadows.record(scored.slice(i, i + 256))
    await shadows.record(scored.slice(0, 256))
    await database.sql`analyze`
  })
  afterAll(async () => {
    await recorded.close()
    await database[Symbol.asyncDispose]()
  })

  it('agrees with one that is counted by hand, in both directions', async () => {
    for (const tenant of ['a', 'b']) {
      const found = await store.compare(tenant, QUERY)
      const expected = byHand(pairs, tenant, QUERY)
      expect(found.rows).toBeGreaterThan(100)
      expect(found).toMatchObject({
        model: 'm',
        version: '2',
        against: '1',
        complete: true,
        rows: expected.rows,
        matrix: expected.matrix,
      })
      expect(found.meanDifference).toBeCloseTo(expected.mean, 12)
      expect(found.meanAbsoluteDifference).toBeCloseTo(expected.meanAbsolute, 12)
      expect(found.largestAbsoluteDifference).toBeCloseTo(expected.largest, 12)
      for (const [i, { difference }] of found.quantiles.entries())
        expect(difference).toBeCloseTo(present(expected.quantiles[i]), 12)
    }
  })

  it('is the mirror image the other way round', async () => {
    const [one, other] = [await store.compare('a', QUERY), await store.compare('a', { ...QUERY, version: '1', against: '2' })]
    expect(other.matrix.map(({ counts }) => counts)).toEqual(
      one.matrix.map((_, column) => one.matrix.map(({ counts }) => counts[column])),
    )
    expect(other.meanDifference).toBeCloseTo(-present(one.meanDifference), 12)
  })

  it('is empty where nothing was scored by both', async () => {
    expect(await store.compare('nobody', QUERY)).toMatchObject({ rows: 0, complete: true, meanDifference: null, quantiles: [] })
  })

  it('refuses a model and versions that neither the version store nor a score of the tenant has', async () => {
    const compare = (tenant: string, changes: Partial<ComparisonQuery>) =>
      compareVersions(store, tenant, { ...QUERY, ...changes }).then(
        ({ rows }) => rows,
        ({ code, problems }) => [code, ...problems.map((problem: { path: string[] }) => problem.path.join())],
      )
    expect(await compare('a', {})).toBeGreaterThan(100)
    // Scored apart, and never answered.
    expect(await compare('a', { version: '3' })).toBeGreaterThan(10)
    expect(await compare('a', { model: 'none' })).toEqual(['MODEL_NOT_FOUND'])
    expect(await compare('a', { version: '9' })).toEqual(['BAD_USER_INPUT', 'version'])
    expect(await compare('a', { against: '9' })).toEqual(['BAD_USER_INPUT', 'against'])
    expect(await compare('nobody', {})).toEqual(['MODEL_NOT_FOUND'])
    await database.sql`
      insert into model_versions (model, version, content, files, report, origin, stored_at, used, revision)
      values ('m', '1', '', '[]', '{}', '{}', now(), true, 1)`
    expect(await compare('nobody', {})).toEqual(['BAD_USER_INPUT', 'version'])
    expect(await compare('nobody', { version: '8', against: '9' })).toEqual(['BAD_USER_INPUT', 'version', 'against'])
    expect(await compare('a', { against: '1' })).toBeGreaterThan(100)
  })

  it('counts the newest 20,000 where there are more', async () => {
    await storePredictions(database, crowd(20_001))
    await database.sql`
      insert into shadow_scores (prediction_id, tenant, model, version, probability, band, created_at)
      select id, tenant, model, '2', probability, band, created_at from predictions where tenant = 'crowd'`
    await database.sql`analyze`
    const found = await store.compare('crowd', QUERY)
    expect(found).toMatchObject({ rows: 20_000, complete: false, largestAbsoluteDifference: 0 })
    const counts = found.matrix.flatMap(row => row.counts)
    expect(counts.reduce((sum, count) => sum + count)).toBe(20_000)
    // The oldest alone is in band T8.
    expect(counts.at(-1)).toBe(0)
    await database.sql`delete from predictions where tenant = 'crowd' and band = 8`
    expect(await store.compare('crowd', QUERY)).toMatchObject({ rows: 20_000, complete: true })
  })

  it('reads no more rows than the range holds, along an index', async () => {
    recorded.take()
    const short = { ...QUERY, from: new Date('2031-04-01T00:00:00.000Z'), to: new Date('2031-04-01T06:00:00.000Z') }
    await store.compare('a', short)
    const { rows } = await recorded.reading(present(recorded.take()[0]))
    const inRange = pairs.filter(({ at }) => at >= short.from && at < short.to).length
    expect(inRange).toBeGreaterThan(10)
    expect(rows).toBeLessThanOrEqual(3 * inRange)
  })
})

/** Applications over more than the range, with neighbours that must not be counted. */
function madePairs(count: number): Pair[] {
  const random = randomFrom(13)
  const [start, end] = [FROM.getTime() - 86_400_000, TO.getTime() + 86_400_000]
  return Array.from({ length: count }, (_, i) => {
    // The edges of the range, exactly.
    const at = new Date(i < 20 ? FROM : i < 40 ? TO : start + Math.floor(random() * (end - start)))
    const [answered, other] = random() < 0.7 ? ['1', '2'] : ['2', '1']
    const probabilities = [random(), random()] as const
    return {
      id: idAt(at),
      tenant: random() < 0.7 ? 'a' : 'b',
      model: random() < 0.9 ? 'm' : 'other',
      answered,
      scored: random() < 0.8 ? other : random() < 0.5 ? '3' : undefined,
      at,
      probabilities,
      bands: [bandOfNumber(1 + Math.floor(random() * 8)), bandOfNumber(1 + Math.floor(random() * 8))] as const,
    }
  })
}

/** Applications that version 1 has answered, one a second: the oldest in band T8, all others in band T1. */
function crowd(count: number): Pair[] {
  return Array.from({ length: count }, (_, i) => {
    const at = new Date(FROM.getTime() + i * 1_000)
    const band = i === 0 ? 'T8' : 'T1'
    return {
      id: idAt(at),
      tenant: 'crowd',
      model: 'm',
      answered: '1',
      scored: '2',
      at,
      probabilities: [0.1, 0.1],
      bands: [band, band],
    }
  })
}

function shadowOf({ id, tenant, model, probabilities, bands, at }: Pair, version: string) {
  return { predictionId: id, tenant, model, version, probability: probabilities[1], band: bands[1], createdAt: at }
}

async function storePredictions({ sql }: TestDatabase, pairs: readonly Pair[]): Promise<void> {
  const rows = pairs.map(({ id, tenant, model, answered, at, probabilities, bands }) => ({
    id,
    tenant,
    applicant_id: 'x',
    model,
    model_version: answered,
    probability: probabilities[0],
    band: bandNumber(bands[0]),
    high_risk: false,
    created_at: at,
    requested_by: 'shop',
  }))
  await sql`insert into predictions select * from json_populate_recordset(null::predictions, ${JSON.stringify(rows)}::text::json)`
}

function byHand(pairs: readonly Pair[], tenant: string, { model, version, against, from, to }: ComparisonQuery) {
  const compared = pairs
    .filter(pair => pair.tenant === tenant && pair.model === model && pair.at >= from && pair.at < to)
    .filter(({ answered, scored }) => [answered, scored].sort().join() === [version, against].sort().join())
    .map(({ answered, probabilities, bands }) => {
      const [mine, theirs] = answered === version ? [0, 1] : [1, 0]
      return {
        difference: present(probabilities[mine]) - present(probabilities[theirs]),
        to: present(bands[mine]),
        from: present(bands[theirs]),
      }
    })
  const differences = compared.map(({ difference }) => difference).sort((a, b) => a - b)
  const all = Array.from({ length: 8 }, (_, i) => bandOfNumber(i + 1))
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    rows: compared.length,
    matrix: all.map(band => ({
      band,
      counts: all.map(other => compared.filter(pair => pair.from === band && pair.to === other).length),
    })),
    mean: mean(differences),
    meanAbsolute: mean(differences.map(Math.abs)),
    largest: Math.max(...differences.map(Math.abs)),
    quantiles: [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map(quantile => {
      const place = quantile * (differences.length - 1)
      const low = Math.floor(place)
      const [one, next = one] = differences.slice(low, low + 2) as [number, number?]
      return one + (place - low) * (next - one)
    }),
  }
}
