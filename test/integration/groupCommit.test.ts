import { describe, expect, it } from 'vitest'
import type { NewPrediction } from '../../src/scoring/prediction.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { PredictRiskBatchDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { newPrediction, openStores } from '../support/stores.js'

async function stored({ sql }: TestDatabase) {
  const [counts] = await sql<{ predictions: number; keys: number; alerts: number }[]>`
    select (select count(*)::int from predictions) as predictions, (select count(*)::int from idempotency_keys) as keys,
      (select count(*)::int from alerts) as alerts`
  return counts
}

const many = <T>(count: number, item: (i: number) => T) => Array.from({ length: count }, (_, i) => item(i))

describe('the group commit', () => {
  it('stores predictions that arrive together in few statements', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const rows = many(1_000, i => newPrediction({ key: `key-${i}` }))
    const recorded = await Promise.all(rows.map(row => stores.predictions.record(row)))
    expect(recorded).toEqual(rows.map(({ prediction }) => ({ prediction, replayed: false })))
    expect(await stored(database)).toEqual({ predictions: 1_000, keys: 1_000, alerts: 1_000 })
    const transactions = await database.sql`select distinct xmin::text from predictions`
    expect(transactions.length).toBe(stores.commits.length)
    expect(transactions.length).toBeLessThanOrEqual(20)
    expect(stores.predictions.queued).toBe(0)
  })

  it('gives every row of a statement the transaction id that orders the feed', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await Promise.all(many(100, () => newPrediction()).map(row => stores.predictions.record(row)))
    const wrong = await database.sql`
      select from alerts join predictions on id = prediction_id where alerts.xid::xid::text <> predictions.xmin::text`
    expect(wrong).toHaveLength(0)
  })

  it.each([
    ['predictions', 'alter table predictions add constraint broken check (false) not valid'],
    ['idempotency_keys', 'alter table idempotency_keys add constraint broken check (false) not valid'],
    ['alerts', 'alter table alerts add constraint broken check (false) not valid'],
  ])('stores no part of a row that the table %s refuses, and the whole row once it accepts it', async (table, breakIt) => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await database.sql.unsafe(breakIt)
    const row = newPrediction({ key: 'k' })
    await expect(stores.predictions.record(row)).rejects.toMatchObject({ code: '23514' })
    expect(await stored(database)).toEqual({ predictions: 0, keys: 0, alerts: 0 })
    await database.sql.unsafe(`alter table ${table} drop constraint broken`)
    expect(await stores.predictions.record(row)).toEqual({ prediction: row.prediction, replayed: false })
    expect(await stored(database)).toEqual({ predictions: 1, keys: 1, alerts: 1 })
  })

  it.each(['predictions', 'idempotency_keys', 'alerts'])('stores nothing while the table %s is missing', async table => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await database.sql.unsafe(`alter table ${table} rename to elsewhere`)
    const rows = many(10, i => newPrediction({ key: `key-${i}` }))
    const results = await Promise.allSettled(rows.map(row => stores.predictions.record(row)))
    // As /readyz says meanwhile.
    const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }) }
    expect(results).toEqual(rows.map(() => refused))
    await database.sql.unsafe(`alter table elsewhere rename to ${table}`)
    expect(await stored(database)).toEqual({ predictions: 0, keys: 0, alerts: 0 })
  })

  it('fails only the row that cannot be stored, and stores the other rows', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await database.sql`alter table predictions add constraint picky check (applicant_id <> 'refused')`
    const bad: ReadonlyMap<number, Partial<NewPrediction['prediction']>> = new Map([
      [3, { applicantId: 'refused' }],
      // JSON has no NaN: it becomes null, which the column refuses.
      [11, { probability: Number.NaN }],
      [17, { applicantId: 'a \u0000 that PostgreSQL cannot hold' }],
    ])
    const rows = many(20, i => newPrediction({ key: `key-${i}`, ...bad.get(i) }))
    const results = await Promise.allSettled(rows.map(row => stores.predictions.record(row)))
    expect(results.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([...bad.keys()])
    expect(await stored(database)).toEqual({ predictions: 17, keys: 17, alerts: 17 })
    const again = await stores.predictions.record(newPrediction({ key: 'key-3' }))
    expect(again.replayed).toBe(false)
  })

  it('raises alerts for high-risk rows only', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const rows = many(30, i => newPrediction({ highRisk: i % 3 === 0 }))
    await Promise.all(rows.map(row => stores.predictions.record(row)))
    const alerts = await database.sql<{ id: string }[]>`select prediction_id as id from alerts`
    const highRisk = rows.filter(({ prediction }) => prediction.highRisk).map(({ prediction }) => prediction.id)
    expect(alerts.map(({ id }) => id).sort()).toEqual(highRisk.sort())
  })

  it('reports each new prediction once, before its caller is answered', async () => {
    await using database = await createTestDatabase()
    const reported: string[] = []
    await using stores = await openStores(database.url, async predictions => {
      reported.push(...predictions.map(({ prediction }) => prediction.id))
    })
    const first = newPrediction({ key: 'k' })
    await stores.predictions.record(first)
    expect(reported).toEqual([first.prediction.id])
    await stores.predictions.record(newPrediction({ key: 'k' }))
    expect(reported).toEqual([first.prediction.id])
  })

  it('stores UUIDv7 ids with the millisecond of created_at, in the order they were made, also in a batch', async () => {
    await using gateway = await startGateway()
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const items = many(100, i => ({ applicantId: `a-${i}`, features: { consumerCredit: i % 2 ? HIGH_RISK : LOW_RISK } }))
    await scorer.data(PredictRiskBatchDocument, { items })
    await scorer.data(PredictRiskDocument, { input: present(items[0]) })
    const rows = await gateway.database.sql<{ id: string; created: Date; raised: Date | null }[]>`
      select id, created_at as created, raised_at as raised from predictions left join alerts on prediction_id = id order by id`
    expect(rows).toHaveLength(101)
    for (const { id, created, raised } of rows) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(created.getTime()).toBe(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16))
      if (raised) expect(raised).toEqual(created)
    }
    expect(rows.map(({ created }) => created.getTime())).toEqual(rows.map(({ created }) => created.getTime()).sort())
    const fractions = await gateway.database.sql`
      select from predictions where extract(microseconds from created_at)::bigint % 1000 <> 0`
    expect(fractions).toHaveLength(0)
  })
})
