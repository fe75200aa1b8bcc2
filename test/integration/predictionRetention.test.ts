import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PredictionRetention } from '../../src/storage/predictions/predictionRetention.js'
import { ShadowStore } from '../../src/storage/releases/shadowStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { idAt, newPrediction, openStores, type TestStores } from '../support/stores.js'

const END_OF_APRIL = new Date('2031-05-01T00:00:00.000Z')

describe('the retention of predictions', () => {
  let database: TestDatabase
  let stores: TestStores
  let retention: PredictionRetention
  beforeEach(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    retention = new PredictionRetention(stores.database)
  })
  afterEach(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  const store = (instant: string, key?: string) => {
    const createdAt = new Date(instant)
    return stores.predictions.record(newPrediction({ id: idAt(createdAt), createdAt, ...(key && { key }) }))
  }
  const partitions = async () => {
    const rows = await database.sql<{ name: string }[]>`
      select inhrelid::regclass::text as name from pg_inherits where inhparent = 'predictions'::regclass order by 1`
    return rows.map(({ name }) => name)
  }
  const keys = async () =>
    (await database.sql<{ key: string }[]>`select key from idempotency_keys order by key`).map(({ key }) => key)

  it('drops only months that are entirely older, and their keys', async () => {
    await store('2031-03-10T00:00:00.000Z', 'march')
    await store('2031-04-30T23:59:59.999Z', 'april')
    const kept = [await store('2031-05-01T00:00:00.000Z', 'may'), await store('2031-05-30T00:00:00.000Z', 'late-may')]
    const before = await partitions()
    const dropped = await retention.run(END_OF_APRIL)
    expect(dropped).toEqual(expect.arrayContaining(['predictions_2031_03', 'predictions_2031_04']))
    expect(await partitions()).toEqual(before.filter(name => !dropped.includes(name)))
    expect(await partitions()).toContain('predictions_2031_05')
    expect(await keys()).toEqual(['late-may', 'may'])
    const ids = kept.map(({ prediction }) => prediction.id)
    expect((await stores.history.findByIds({ tenant: 'default' }, ids)).map(({ id }) => id).sort()).toEqual(ids.sort())
  })

  it('removes the shadow scores of what it removes, and no others', async () => {
    await store('2031-04-30T23:59:59.999Z')
    await store('2031-05-01T00:00:00.000Z')
    await new ShadowStore(stores.database).record(
      ['2031-03-10T00:00:00.000Z', '2031-04-30T23:59:59.999Z', '2031-05-01T00:00:00.000Z'].map(instant => ({
        predictionId: idAt(new Date(instant)),
        tenant: 'default',
        model: 'consumer-credit',
        version: '3',
        probability: 0.5,
        band: 'T7',
        createdAt: new Date(instant),
      })),
    )
    await retention.run(END_OF_APRIL)
    const left = await database.sql<{ at: Date }[]>`select created_at as at from shadow_scores`
    expect(left.map(({ at }) => at.toISOString())).toEqual(['2031-05-01T00:00:00.000Z'])
  })

  it('keeps a month whose last millisecond is not old enough', async () => {
    await store('2031-04-01T00:00:00.000Z', 'april')
    await retention.run(new Date(END_OF_APRIL.getTime() - 1))
    expect(await partitions()).toContain('predictions_2031_04')
    expect(await keys()).toEqual(['april'])
  })

  it('keeps the statistics', async () => {
    await store('2031-03-10T00:00:00.000Z')
    const statistics = () => database.sql`
      select quarter, band, predictions from risk_deltas union all
      select quarter, band, predictions from risk_rollups where minutes = 15`
    const before = await statistics()
    expect(before).toHaveLength(1)
    await retention.run(END_OF_APRIL)
    expect(await statistics()).toEqual(before)
  })

  it('removes many keys in many short statements, also from two replicas at once', async () => {
    await store('2031-04-10T00:00:00.000Z')
    // Half of the keys are from one second, the rest spread over the month.
    await database.sql`
      insert into idempotency_keys (tenant, principal, key, prediction_id, digest, created_at)
      select 'default', 'shop', 'k' || i, gen_random_uuid(), 'd',
        timestamptz '2031-04-05Z' + case when i % 2 = 0 then i * interval '10 microseconds' else i * interval '20 seconds' end
      from generate_series(1, 50000) i`
    await database.sql`
      insert into idempotency_keys values ('default', 'shop', 'kept', gen_random_uuid(), 'd', '2031-05-01Z')`
    await Promise.all([retention.run(END_OF_APRIL), new PredictionRetention(stores.database).run(END_OF_APRIL)])
    expect(await keys()).toEqual(['kept'])
    expect(await partitions()).not.toContain('predictions_2031_04')
  })

  it('gives way to a reader, keeps the keys too, and succeeds on a later run', async () => {
    const first = await store('2031-04-10T00:00:00.000Z', 'april')
    await using reader = await holdTransaction(database, 'select count(*) from predictions')
    // The reader goes on: a drop that waited for it would keep the writer waiting until its deadline.
    const [dropped] = await Promise.all([retention.run(END_OF_APRIL), store('2031-05-30T00:00:00.000Z')])
    expect(dropped).not.toContain('predictions_2031_04')
    expect(await partitions()).toContain('predictions_2031_04')
    const again = await stores.predictions.record(newPrediction({ key: 'april' }))
    expect(again).toEqual({ prediction: first.prediction, replayed: true })
    await reader.end()
    expect(await retention.run(END_OF_APRIL)).toContain('predictions_2031_04')
    expect(await keys()).toEqual([])
  })

  it('removes keys that an interrupted earlier run has left', async () => {
    await store('2031-04-10T00:00:00.000Z', 'april')
    await store('2031-05-01T00:00:00.000Z', 'may')
    await retention.run(END_OF_APRIL)
    await database.sql`
      insert into idempotency_keys values ('default', 'shop', 'left', gen_random_uuid(), 'd', '2031-04-30 23:59:59.999Z')`
    expect(await retention.run(END_OF_APRIL)).toEqual([])
    expect(await keys()).toEqual(['may'])
  })

  it('stops when its signal aborts, between months and between keys', async () => {
    await store('2031-04-10T00:00:00.000Z', 'april')
    await database.sql`
      insert into idempotency_keys values ('default', 'shop', 'left', gen_random_uuid(), 'd', '2020-01-01')`
    expect(await retention.run(END_OF_APRIL, AbortSignal.abort())).toEqual([])
    expect(await partitions()).toContain('predictions_2031_04')
    expect(await keys()).toEqual(['april', 'left'])
  })

  it('lets a key be used again if its prediction is gone', async () => {
    const first = await store('2031-04-10T00:00:00.000Z', 'orphan')
    await database.sql`drop table predictions_2031_04`
    const again = () => stores.predictions.record(newPrediction({ key: 'orphan' }))
    await expect(again()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    const second = await again()
    expect(second.replayed).toBe(false)
    expect(second.prediction.id).not.toBe(first.prediction.id)
    expect(await again()).toEqual({ prediction: second.prediction, replayed: true })
  })
})

/** Opens a transaction that runs a statement and stays open until `end`. */
async function holdTransaction({ sql }: TestDatabase, statement: string) {
  const session = await sql.reserve()
  await session.unsafe('begin')
  await session.unsafe(statement)
  let isOpen = true
  const end = async () => {
    if (!isOpen) return
    isOpen = false
    await session.unsafe('commit')
    session.release()
  }
  return { end, [Symbol.asyncDispose]: end }
}
