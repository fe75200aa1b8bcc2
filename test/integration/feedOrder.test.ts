import postgres, { type ReservedSql } from 'postgres'
import { describe, expect, it, vi } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { follow, raiseAlert, startFeed, take } from '../support/feed.js'
import { until } from '../support/process.js'
import { newPrediction, openStores } from '../support/stores.js'

const WRITERS = 8
const ROUNDS = 15

/** Shuffles the items, the same way in every run. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const order = items.map((item, i) => ({ item, rank: Math.sin(seed * 1_000 + i) }))
  return order.sort((a, b) => a.rank - b.rank).map(({ item }) => item)
}

describe('the alert feed', () => {
  it('loses no alert and stays in order if transactions commit in another order than they wrote', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const pool = postgres(database.url, { max: WRITERS, onnotice: () => {} })
    const writers = await Promise.all(Array.from({ length: WRITERS }, () => pool.reserve()))
    const start = await stores.alerts.now()
    const total = ROUNDS * (WRITERS + 1)
    const received = take(await follow(running, start), total)
    const raised: string[] = []

    const open: ReservedSql[] = []
    for (let round = 0; round < ROUNDS; round++) {
      for (const writer of shuffled(writers, round)) {
        await writer`begin`
        raised.push(await raiseAlert(writer))
        open.push(writer)
      }
      // A transaction that commits at once, between the open ones.
      raised.push((await stores.predictions.record(newPrediction())).prediction.id)
      for (const writer of shuffled(open.splice(0), round + 0.5)) {
        await writer`commit`
        running.hints.publish()
        await stores.alerts.read({ after: start, limit: 10 })
      }
    }

    const alerts = await received
    expect(alerts.map(({ id }) => id).sort()).toEqual(raised.sort())
    const cursors = alerts.map(({ cursor }) => cursor)
    expect(cursors).toEqual([...new Set(cursors)].sort())
    const again = await stores.alerts.read({ after: start, limit: 500 })
    expect(again.map(({ cursor }) => cursor)).toEqual(cursors)
    for (const writer of writers) writer.release()
    await pool.end()
  })

  it('loses no alert of concurrent gateways whose transactions wait before their commit', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const received = take(await follow(running, await stores.alerts.now()), 120)
    const pool = postgres(database.url, { max: WRITERS, onnotice: () => {} })
    const raised = await Promise.all(
      Array.from({ length: 120 }, async (_, i) => {
        const id = await pool.begin(async sql => {
          const raised = await raiseAlert(sql)
          await sql`select pg_sleep(${((i * 7) % 11) / 100})`
          return raised
        })
        running.hints.publish()
        return id
      }),
    )
    const alerts = await received
    expect(alerts.map(({ id }) => id).sort()).toEqual([...raised].sort())
    expect(alerts.map(({ cursor }) => cursor)).toEqual(alerts.map(({ cursor }) => cursor).sort())
    await pool.end()
  })

  it('is held back by an open transaction, and continues when it ends', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const start = await stores.alerts.now()
    const alerts = await follow(running, start)
    const writer = await database.sql.reserve()
    await writer`begin`
    const early = await raiseAlert(writer)
    const late = await stores.predictions.record(newPrediction())
    expect(await stores.alerts.read({ after: start, limit: 10 })).toEqual([])
    expect(await stores.alerts.isHeldBack(start)).toBe(true)
    await writer`commit`
    writer.release()
    const delivered = await take(alerts, 2)
    expect(delivered.map(({ id }) => id)).toEqual([early, late.prediction.id])
    expect(await stores.alerts.isHeldBack(delivered[1]?.cursor ?? '')).toBe(false)
  })

  it('reports the session that holds it back for over a second once, and measures for how long', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const alerts = await follow(running)
    const writer = await database.sql.reserve()
    await writer`set application_name = 'nightly report'`
    await writer`begin`
    await raiseAlert(writer)
    const next = alerts.next()
    await stores.predictions.record(newPrediction())
    await vi.waitFor(() => expect(running.holders).toHaveLength(1), { timeout: 10_000 })
    expect(running.feed.heldBackSeconds).toBeGreaterThanOrEqual(1)
    // The session may be one of another test: an older transaction holds back every database of the server.
    expect(running.holders[0]).toMatch(/^pid \d+ \(.+\) in database test_\w+$/)
    await writer`commit`
    writer.release()
    await next
    await vi.waitFor(() => expect(running.feed.heldBackSeconds).toBe(0), { timeout: 10_000 })
    expect(running.holders).toHaveLength(1)
  })

  it('measures how long it is held back although nobody subscribes: clients that poll and webhooks wait too', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const writer = await database.sql.reserve()
    await writer`begin`
    await raiseAlert(writer)
    await stores.predictions.record(newPrediction())
    await vi.waitFor(() => expect(running.feed.heldBackSeconds).toBeGreaterThan(0), { timeout: 10_000 })
    await writer`commit`
    writer.release()
    await vi.waitFor(() => expect(running.feed.heldBackSeconds).toBe(0), { timeout: 10_000 })
  })

  it('continues after a transaction that was rolled back', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const alerts = await follow(running)
    const writer = await database.sql.reserve()
    await writer`begin`
    await raiseAlert(writer)
    const late = await stores.predictions.record(newPrediction())
    await writer`rollback`
    writer.release()
    expect((await take(alerts, 1)).map(({ id }) => id)).toEqual([late.prediction.id])
  })

  it('serves a subscriber that is far behind from the log, without a gap', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const start = await stores.alerts.now()
    const [slow, quick] = [await follow(running, start), await follow(running, start)]
    const first = await stores.predictions.record(newPrediction())
    expect((await take(slow, 1)).map(({ id }) => id)).toEqual([first.prediction.id])
    // More alerts than a mailbox holds, while the slow subscriber does not read.
    const rows = await Promise.all(Array.from({ length: 2_500 }, () => stores.predictions.record(newPrediction())))
    const stored = rows.map(({ prediction }) => prediction.id)
    await take(quick, 1 + stored.length)
    const delivered = await take(slow, stored.length)
    expect(delivered.map(({ id }) => id).sort()).toEqual(stored.sort())
    expect(delivered.map(({ cursor }) => cursor)).toEqual(delivered.map(({ cursor }) => cursor).sort())
  })

  it('delivers alerts that another gateway wrote without a hint', async () => {
    await using database = await createTestDatabase()
    await using writer = await openStores(database.url)
    await using reader = await openStores(database.url)
    await using running = await startFeed(reader.alerts)
    const alerts = await follow(running)
    const { prediction } = await writer.predictions.record(newPrediction())
    expect((await take(alerts, 1)).map(alert => alert.prediction)).toEqual([prediction])
  })

  it('hides the alerts of other tenants', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const alerts = await follow(running)
    await stores.predictions.record(newPrediction({ tenant: 'other' }))
    const { prediction } = await stores.predictions.record(newPrediction())
    expect((await take(alerts, 1)).map(({ id }) => id)).toEqual([prediction.id])
  })

  it('continues after its connections were cut', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const alerts = await follow(running)
    await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    await until(() =>
      stores.predictions.record(newPrediction()).then(
        () => true,
        () => false,
      ),
    )
    expect(await take(alerts, 1)).toHaveLength(1)
  })
})
