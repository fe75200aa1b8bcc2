import type { Sql } from 'postgres'
import { describe, expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { until } from '../support/process.js'
import { newPrediction, openStores } from '../support/stores.js'

/** Opens a transaction, as of another gateway, that has inserted a key and has not ended. */
async function holdKey(sql: Sql, key: string) {
  const holder = await sql.reserve()
  await holder`begin`
  const row = newPrediction({ key })
  const { id, tenant, requestedBy, createdAt } = row.prediction
  const insertKey = (name: string) => holder`
    insert into idempotency_keys values (${tenant}, ${requestedBy}, ${name}, ${id}, ${row.idempotency?.digest ?? ''}, ${createdAt})`
  await insertKey(key)
  return {
    prediction: row.prediction,
    insertKey,
    sql: holder,
    async end(how: 'commit' | 'rollback') {
      await holder.unsafe(how)
      holder.release()
    },
  }
}

const waitsForLock = (sql: Sql) => async () =>
  (await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length > 0

describe('an idempotency key', () => {
  it('stores one row for many copies at once through two gateways, and gives all the same answer', async () => {
    await using database = await createTestDatabase()
    await using first = await openStores(database.url)
    await using second = await openStores(database.url)
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`)
    const copies = keys.flatMap(key => Array.from({ length: 10 }, (_, i) => ({ key, stores: i % 2 ? first : second })))
    const recorded = await Promise.all(
      copies.map(async ({ key, stores }) => ({ key, ...(await stores.predictions.record(newPrediction({ key }))) })),
    )
    for (const key of keys) {
      const answers = recorded.filter(answer => answer.key === key)
      expect(new Set(answers.map(({ prediction }) => prediction.id)).size).toBe(1)
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    }
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: 50 }])
    expect(await database.sql`select count(*)::int as rows from alerts`).toEqual([{ rows: 50 }])
  })

  it('returns the whole first answer', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const { prediction } = await stores.predictions.record(newPrediction({ key: 'k', channel: 'web' }))
    const again = await stores.predictions.record(newPrediction({ key: 'k', channel: 'web', probability: 0.1 }))
    expect(again).toEqual({ prediction, replayed: true })
  })

  it('is refused for another input, and the other rows of the group are stored', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await stores.predictions.record(newPrediction({ key: 'k' }))
    const rows = [
      newPrediction({ key: 'k', digest: 'other', applicantId: 'another' }),
      newPrediction(),
      newPrediction({ key: 'k' }),
    ]
    const [reused, fresh, replayed] = await Promise.allSettled(rows.map(row => stores.predictions.record(row)))
    expect(reused).toMatchObject({ status: 'rejected', reason: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    expect(fresh).toMatchObject({ status: 'fulfilled', value: { replayed: false } })
    expect(replayed).toMatchObject({ status: 'fulfilled', value: { replayed: true } })
  })

  it('belongs to its tenant and principal', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const owners = [{}, { tenant: 'other' }, { requestedBy: 'mobile' }, { tenant: 'mobile', requestedBy: 'default' }]
    const recorded = await Promise.all(owners.map(owner => stores.predictions.record(newPrediction({ key: 'k', ...owner }))))
    expect(recorded.map(({ replayed }) => replayed)).toEqual([false, false, false, false])
  })

  it('waits for a copy that another gateway is about to commit, and answers with it', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const other = await holdKey(database.sql, 'k')
    const { id, tenant, requestedBy, createdAt } = other.prediction
    await other.sql`
      insert into predictions values (${id}, ${tenant}, 'applicant', 'consumer-credit', '2', 0.75, 8, true, null, null, ${createdAt}, ${requestedBy})`
    const answer = stores.predictions.record(newPrediction({ key: 'k' }))
    await until(waitsForLock(database.sql))
    await other.end('commit')
    expect(await answer).toEqual({ prediction: other.prediction, replayed: true })
  })

  it('is unused again if the other gateway rolls back', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const other = await holdKey(database.sql, 'k')
    const row = newPrediction({ key: 'k' })
    const answer = stores.predictions.record(row)
    await until(waitsForLock(database.sql))
    await other.end('rollback')
    expect(await answer).toEqual({ prediction: row.prediction, replayed: false })
  })

  it('is answered with SERVICE_UNAVAILABLE, and stores nothing, if the other transaction does not end', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const other = await holdKey(database.sql, 'k')
    const row = newPrediction({ key: 'k' })
    await expect(stores.predictions.record(row)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    await other.end('rollback')
    expect(await database.sql`select from predictions`).toHaveLength(0)
    expect(await stores.predictions.record(row)).toEqual({ prediction: row.prediction, replayed: false })
  })

  it('survives a deadlock with another transaction', async () => {
    await using database = await createTestDatabase()
    // Our session must find the deadlock before its own time limit, which would refuse the group.
    const name = new URL(database.url).pathname.slice(1)
    await database.sql.unsafe(`alter database ${name} set deadlock_timeout = '300ms'`)
    await using stores = await openStores(database.url)
    const other = await holdKey(database.sql, 'b')
    await other.sql`set local deadlock_timeout = '10s'`
    const rows = [newPrediction({ key: 'a' }), newPrediction({ key: 'b' })]
    const recorded = Promise.all(rows.map(row => stores.predictions.record(row)))
    await until(waitsForLock(database.sql))
    await other.insertKey('a')
    await other.end('rollback')
    expect(await recorded).toEqual(rows.map(({ prediction }) => ({ prediction, replayed: false })))
  })

  it('does not fail the other rows of the group if the first answer cannot be read', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url, async () => {
      await database.sql`alter table if exists idempotency_keys rename to elsewhere`
    })
    await using before = await openStores(database.url)
    await before.predictions.record(newPrediction({ key: 'k' }))
    const fresh = newPrediction({ key: 'new' })
    const [replayed, stored] = await Promise.allSettled(
      [newPrediction({ key: 'k' }), fresh].map(row => stores.predictions.record(row)),
    )
    expect(replayed?.status).toBe('rejected')
    expect(stored).toEqual({ status: 'fulfilled', value: { prediction: fresh.prediction, replayed: false } })
  })
})
