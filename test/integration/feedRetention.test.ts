import { uuidv7 } from 'uuidv7'
import { describe, expect, it, vi } from 'vitest'
import type { HighRiskAlert } from '../../src/scoring/prediction.js'
import { removeOldAlerts } from '../../src/storage/alerts/alertRetention.js'
import { createTestDatabase, moveToAnotherCluster, type TestDatabase } from '../support/database.js'
import { follow, raiseAlert, startFeed, take } from '../support/feed.js'
import { present } from '../support/process.js'
import { idAt, newPrediction, openStores, type TestStores } from '../support/stores.js'

const DAY_MS = 86_400_000
const LONG_AGO = new Date(Date.now() - 40 * DAY_MS)
const CUTOFF = new Date(Date.now() - 30 * DAY_MS)
const EXPIRED = { code: 'CURSOR_EXPIRED' }

/** Raises one alert for each letter: `o` long ago, `n` now. Returns them in the order of the feed. */
async function raise({ predictions, alerts }: TestStores, ages: string, tenant = 'default'): Promise<HighRiskAlert[]> {
  const start = await alerts.now()
  for (const age of ages) {
    const given = age === 'o' ? { id: idAt(LONG_AGO), createdAt: LONG_AGO } : {}
    await predictions.record(newPrediction({ ...given, tenant }))
  }
  return vi.waitFor(async () => {
    const raised = await alerts.read({ after: start, tenant, limit: 1_000 })
    expect(raised).toHaveLength(ages.length)
    return raised
  }, 10_000)
}

async function raiseMany({ predictions }: TestStores, count: number): Promise<void> {
  const given = { createdAt: LONG_AGO, applicantId: 'many' }
  await Promise.all(Array.from({ length: count }, () => predictions.record(newPrediction({ ...given, id: idAt(LONG_AGO) }))))
}

const left = async ({ sql }: TestDatabase) =>
  (await sql<{ id: string }[]>`select prediction_id as id from alerts order by epoch, xid, seq`).map(({ id }) => id)

describe('the retention of alerts', () => {
  it('removes only the beginning of the feed: all alerts after a kept one are kept', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const raised = await raise(stores, 'oonoon')
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(2)
    expect(await left(database)).toEqual(raised.slice(2).map(({ id }) => id))
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(0)
  })

  it('gives CURSOR_EXPIRED only to cursors from before a removed alert', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const start = await stores.alerts.now()
    const [first, second, third] = await raise(stores, 'oon')
    await removeOldAlerts(stores.database, CUTOFF)
    const page = (query: object) =>
      stores.alerts.page({
        tenant: 'default',
        filter: {},
        size: 5,
        backward: false,
        after: undefined,
        before: undefined,
        ...query,
      })
    await using running = await startFeed(stores.alerts)
    for (const cursor of [start, present(first).cursor]) {
      await expect(stores.alerts.check(cursor)).rejects.toMatchObject(EXPIRED)
      await expect(stores.alerts.read({ after: cursor, limit: 5 })).rejects.toMatchObject(EXPIRED)
      await expect(stores.alerts.read({ after: cursor, limit: 5, tenant: 'quiet' })).rejects.toMatchObject(EXPIRED)
      await expect(page({ after: cursor })).rejects.toMatchObject(EXPIRED)
      await expect(page({ before: cursor })).rejects.toMatchObject(EXPIRED)
      await expect(page({ tenant: 'quiet', after: cursor })).rejects.toMatchObject(EXPIRED)
      await expect(follow(running, cursor)).rejects.toMatchObject(EXPIRED)
    }
    const { cursor } = present(second)
    const rest = [present(third)]
    await expect(stores.alerts.check(cursor)).resolves.toBeUndefined()
    expect(await stores.alerts.read({ after: cursor, limit: 5 })).toEqual(rest)
    expect((await page({ after: cursor })).entries).toEqual(rest)
    expect((await page({ before: cursor })).entries).toEqual([])
    expect((await page({})).entries).toEqual(rest)
    expect(await take(await follow(running, cursor), 1)).toEqual(rest)
  })

  it('keeps the last cursor of an earlier epoch valid until an alert of a later epoch is removed', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const [first, second] = (await raise(stores, 'oo')).map(({ cursor }) => cursor)
    await moveToAnotherCluster(database)
    const [third] = await raise(stores, 'n')
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(2)
    await expect(stores.alerts.check(present(first))).rejects.toMatchObject(EXPIRED)
    await expect(stores.alerts.check(present(second))).resolves.toBeUndefined()
    expect(await stores.alerts.read({ after: present(second), limit: 5 })).toEqual([third])
    await moveToAnotherCluster(database)
    const now = await stores.alerts.now()
    expect(await removeOldAlerts(stores.database, new Date(Date.now() + DAY_MS))).toBe(1)
    for (const cursor of [first, second]) await expect(stores.alerts.check(present(cursor))).rejects.toMatchObject(EXPIRED)
    await expect(stores.alerts.check(present(third).cursor)).resolves.toBeUndefined()
    await expect(stores.alerts.check(now)).resolves.toBeUndefined()
  })

  it('works from several gateways at once, in chunks; each alert is removed once, and the last one noted', async () => {
    await using database = await createTestDatabase()
    await using first = await openStores(database.url)
    await using second = await openStores(database.url)
    await raiseMany(first, 1_700)
    await vi.waitFor(async () => {
      expect(
        await first.alerts.isHeldBack(
          present((await first.alerts.read({ after: await oldest(first), limit: 5_000 })).at(-1)).cursor,
        ),
      ).toBe(false)
    }, 10_000)
    const [kept] = await raise(first, 'n')
    const [last] =
      await database.sql`select xid::text, seq::text from alerts order by epoch, alerts.xid, alerts.seq offset 1699 limit 1`
    const removed = await Promise.all([first, second, first].map(({ database }) => removeOldAlerts(database, CUTOFF)))
    expect(removed.reduce((sum, rows) => sum + rows)).toBe(1_700)
    expect(await left(database)).toEqual([present(kept).id])
    expect(await database.sql`select expired_xid::text as xid, expired_seq::text as seq from feed_epochs`).toEqual([last])
  })

  const oldest = async ({ alerts }: TestStores) => `${(await alerts.now()).slice(0, 12)}${'0'.repeat(28)}`

  it('removes no alert that an open transaction may still precede', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const writer = await database.sql.reserve()
    await writer`begin`
    const early = await raiseAlert(writer)
    await raiseMany(stores, 3)
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(0)
    await writer`commit`
    writer.release()
    expect((await left(database))[0]).toBe(early)
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(0)
  })

  it('ends a subscription that falls behind with CURSOR_EXPIRED, after its earlier alerts and without a gap', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const start = await stores.alerts.now()
    await raiseMany(stores, 1_200)
    const all = await vi.waitFor(async () => {
      const raised = await stores.alerts.read({ after: start, limit: 2_000 })
      expect(raised).toHaveLength(1_200)
      return raised.map(({ id }) => id)
    }, 10_000)
    const slow = await follow(running, start)
    const heard = (await take(slow, 1)).map(({ id }) => id)
    await removeOldAlerts(stores.database, CUTOFF)
    await raise(stores, 'n')
    const ending = (async () => {
      for await (const { id } of slow) heard.push(id)
    })()
    await expect(ending).rejects.toMatchObject(EXPIRED)
    expect(heard).toEqual(all.slice(0, heard.length))
    expect(heard.length).toBeLessThan(1_200)
    expect(running.feed.subscribers).toBe(0)
  })

  it('does not end the subscription of a quiet tenant while alerts of others come and go', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using running = await startFeed(stores.alerts)
    const quiet = await follow(running, await stores.alerts.now())
    const next = quiet.next()
    const busy = await running.feed.subscribe({ tenant: 'busy', after: undefined, matches: () => true })
    const fourth = take(busy, 4)
    await vi.waitFor(() => expect(running.feed.subscribers).toBe(2))
    await raise(stores, 'oooo', 'busy')
    await fourth
    await removeOldAlerts(stores.database, CUTOFF)
    // More alerts than a mailbox holds; the subscriber takes only the first.
    const rows = await Promise.all(Array.from({ length: 2_300 }, () => stores.predictions.record(newPrediction())))
    const first = (await next).value as HighRiskAlert
    const heard = [first, ...(await take(quiet, 2_299))].map(({ id }) => id)
    expect(heard.sort()).toEqual(rows.map(({ prediction }) => prediction.id).sort())
  })

  it('skips alerts whose predictions are no longer kept', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const start = await stores.alerts.now()
    const raised = await raise(stores, 'nnnnnn')
    await database.sql`delete from predictions where id in ${database.sql(raised.slice(1, 4).map(({ id }) => id))}`
    const expected = [raised[0], raised[4], raised[5]]
    for (const limit of [1, 2, 3, 9]) expect(await stores.alerts.read({ after: start, limit })).toEqual(expected.slice(0, limit))
    const page = { tenant: 'default', filter: {}, size: 2, backward: false }
    expect(await stores.alerts.page(page)).toEqual({ entries: expected.slice(0, 2), hasMore: true })
    expect(await stores.alerts.page({ ...page, backward: true })).toEqual({ entries: expected.slice(1), hasMore: true })
  })

  it('also removes webhook deliveries that are old by their id and by the clock of the database', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const add = (id: string, createdAt: Date) => database.sql`
      insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, created_at)
      values (${id}, ${uuidv7()}, 'default', ${uuidv7()}, 'DEAD', ${createdAt})`
    const [now, young, madeBehind, madeAhead] = [new Date(), uuidv7(), idAt(LONG_AGO), uuidv7()]
    await Promise.all([
      add(young, now),
      // Made by a gateway whose clock was behind, and by one whose clock was ahead.
      add(madeBehind, now),
      add(madeAhead, LONG_AGO),
      ...Array.from({ length: 700 }, () => add(idAt(LONG_AGO), LONG_AGO)),
    ])
    expect(await removeOldAlerts(stores.database, CUTOFF)).toBe(700)
    const kept = await database.sql<{ id: string }[]>`select id from webhook_deliveries`
    expect(new Set(kept.map(({ id }) => id))).toEqual(new Set([young, madeBehind, madeAhead]))
  })

  it('waits behind other bulk work, not among predictions, and stops when its signal aborts', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await raise(stores, 'o')
    const order: string[] = []
    await Promise.all([
      stores.database.writeBulk(({ sql }) => sql`select pg_sleep(0.5)`).then(() => order.push('bulk')),
      removeOldAlerts(stores.database, CUTOFF, AbortSignal.abort()).then(rows => order.push(`${rows} alerts`)),
      removeOldAlerts(stores.database, CUTOFF).then(rows => order.push(`${rows} alert`)),
    ])
    expect(order).toEqual(['0 alerts', 'bulk', '1 alert'])
  })
})
