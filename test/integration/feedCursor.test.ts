import { describe, expect, it } from 'vitest'
import { encodeAlertCursor } from '../../src/storage/alerts/alertCursor.js'
import { feedEpochs } from '../../src/storage/postgres/feedEpoch.js'
import { createTestDatabase, moveToAnotherCluster } from '../support/database.js'
import { follow, startFeed, take } from '../support/feed.js'
import { newPrediction, openStores } from '../support/stores.js'

const BAD_CURSOR = { code: 'BAD_CURSOR' }

describe('an alert cursor', () => {
  it('is refused if it is ahead of the server', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const [now] = await database.sql<{ xid: string }[]>`select pg_snapshot_xmax(pg_current_snapshot())::text as xid`
    const ahead = { epoch: 1, xid: String(BigInt(now?.xid ?? 0) + 1_000_000n), seq: '0' }
    await expect(stores.alerts.check(encodeAlertCursor(ahead, await feedEpochs(database.sql)))).rejects.toMatchObject(BAD_CURSOR)
    await expect(stores.alerts.check(await stores.alerts.now())).resolves.toBeUndefined()
  })

  it('is refused if it comes from another database, even before the first alert', async () => {
    await using here = await createTestDatabase()
    await using there = await createTestDatabase()
    await using stores = await openStores(here.url)
    await using others = await openStores(there.url)
    const foreign = await others.alerts.now()
    await expect(stores.alerts.check(foreign)).rejects.toMatchObject(BAD_CURSOR)
    await expect(stores.alerts.read({ after: foreign, limit: 1 })).rejects.toMatchObject(BAD_CURSOR)
    await using running = await startFeed(stores.alerts)
    await expect(follow(running, foreign)).rejects.toMatchObject(BAD_CURSOR)
  })

  it('is refused in every malformed form, without repeating it', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const cursor = await stores.alerts.now()
    const wrong = [
      '',
      'x',
      cursor.slice(1),
      `${cursor}0`,
      cursor.toUpperCase().replace(/^0001/, '0001G'),
      `ffff${cursor.slice(4)}`,
    ]
    const almost = [`0000${cursor.slice(4)}`, `0002${cursor.slice(4)}`, cursor.replace(/.$/, 'z'), `${cursor}\n`, ` ${cursor}`]
    for (const given of [...wrong, ...almost]) {
      const error = await stores.alerts.check(given).catch((reason: Error) => reason)
      expect(error, JSON.stringify(given)).toMatchObject(BAD_CURSOR)
      if (given.length > 1) expect((error as Error).message).not.toContain(given)
    }
  })

  it('is refused, not an unexpected error, if its numbers are beyond those of PostgreSQL', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const cursor = await stores.alerts.now()
    const beyond = [`${cursor.slice(0, 12)}${'f'.repeat(16)}${'0'.repeat(12)}`, `${cursor.slice(0, 28)}${'f'.repeat(12)}`]
    for (const given of beyond) {
      const result = await stores.alerts.check(given).catch((reason: Error) => reason)
      expect(result === undefined || (result as { code?: string }).code === 'BAD_CURSOR', given).toBe(true)
    }
  })

  it('belongs to a new epoch after a failover under a running gateway', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await stores.predictions.record(newPrediction())
    const before = await stores.alerts.now()
    await database.sql`update feed_epochs set cluster = 'the timeline before'`
    const { prediction } = await stores.predictions.record(newPrediction())
    expect((await stores.alerts.read({ after: before, limit: 9 })).map(({ id }) => id)).toEqual([prediction.id])
    expect(await database.sql`select epoch from alerts order by epoch`).toEqual([{ epoch: 1 }, { epoch: 2 }])
  })

  it('names no transaction that a crash of the server could undo', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const empty = await stores.alerts.now()
    await database.sql`select pg_current_xact_id()`
    expect(await stores.alerts.now()).toBe(empty)
    const { prediction } = await stores.predictions.record(newPrediction())
    const [alert] = await stores.alerts.read({ after: empty, limit: 9 })
    expect(alert?.id).toBe(prediction.id)
    for (let i = 0; i < 3; i++) await database.sql`select pg_current_xact_id()`
    expect(await stores.alerts.now()).toBe(alert?.cursor)
  })

  it('resumes right after its alert, for each alert', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const start = await stores.alerts.now()
    await Promise.all(Array.from({ length: 20 }, () => stores.predictions.record(newPrediction())))
    const all = await stores.alerts.read({ after: start, limit: 100 })
    expect(all).toHaveLength(20)
    await using running = await startFeed(stores.alerts)
    for (const [i, { cursor }] of all.slice(0, -1).entries()) {
      const rest = await take(await follow(running, cursor), 19 - i)
      expect(rest.map(({ id }) => id)).toEqual(all.slice(i + 1).map(({ id }) => id))
    }
  })

  it('stays valid after the database moved to another cluster, and the feed continues after it', async () => {
    await using database = await createTestDatabase()
    await using before = await openStores(database.url)
    const start = await before.alerts.now()
    const old = [await before.predictions.record(newPrediction()), await before.predictions.record(newPrediction())]
    await moveToAnotherCluster(database)
    await using after = await openStores(database.url)
    const fresh = await after.predictions.record(newPrediction())
    const alerts = await after.alerts.read({ after: start, limit: 10 })
    expect(alerts.map(({ id }) => id)).toEqual([...old, fresh].map(({ prediction }) => prediction.id))
    expect(alerts.map(({ cursor }) => cursor)).toEqual(alerts.map(({ cursor }) => cursor).sort())
    await expect(after.alerts.check(alerts[0]?.cursor ?? '')).resolves.toBeUndefined()
  })

  it('is refused if it is from the part of the feed that a restored older backup lacks', async () => {
    await using database = await createTestDatabase()
    await using before = await openStores(database.url)
    const start = await before.alerts.now()
    await before.predictions.record(newPrediction())
    await before.predictions.record(newPrediction())
    const [kept, lost] = await before.alerts.read({ after: start, limit: 10 })
    await database.sql`delete from alerts where prediction_id = ${lost?.id ?? ''}`
    await moveToAnotherCluster(database)
    await using after = await openStores(database.url)
    await after.predictions.record(newPrediction())
    await expect(after.alerts.check(lost?.cursor ?? '')).rejects.toMatchObject(BAD_CURSOR)
    await expect(after.alerts.check(kept?.cursor ?? '')).resolves.toBeUndefined()
  })

  it('is understood by a gateway that was asleep during several moves', async () => {
    await using database = await createTestDatabase()
    await using sleeper = await openStores(database.url)
    const start = await sleeper.alerts.now()
    await moveToAnotherCluster(database)
    await moveToAnotherCluster(database)
    await using other = await openStores(database.url)
    const { prediction } = await other.predictions.record(newPrediction())
    const [alert] = await sleeper.alerts.read({ after: start, limit: 10 })
    expect(alert?.id).toBe(prediction.id)
    await expect(sleeper.alerts.check(await other.alerts.now())).resolves.toBeUndefined()
  })
})
