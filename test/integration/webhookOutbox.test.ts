import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TakenDelivery } from '../../src/webhooks/webhookOutbox.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { raiseAlert } from '../support/feed.js'
import { present, until } from '../support/process.js'
import { newPrediction } from '../support/stores.js'
import { newWebhook, OWNER, openWebhooks, passTime, type TestWebhooks } from '../support/webhooks.js'

const DELIVERED = { state: 'DELIVERED', status: 204, error: null } as const
const FAILED = { state: 'PENDING', status: 500, error: 'The endpoint answered with status 500.' } as const

describe('alerts on their way to a webhook', () => {
  let database: TestDatabase
  let gateway: TestWebhooks
  beforeEach(async () => {
    database = await createTestDatabase()
    gateway = await openWebhooks(database.url)
  })
  afterEach(async () => {
    await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  async function raise(given: Parameters<typeof newPrediction>[0] = {}): Promise<string> {
    return (await gateway.stores.predictions.record(newPrediction(given))).prediction.id
  }

  /** Gathers until `count` alerts are deliveries: other tests on the server may hold back the feed for a moment. */
  async function gathered(webhookId: string, count: number, by = gateway): Promise<string[]> {
    let alerts: string[] = []
    await until(async () => {
      await by.outbox.gather(webhookId)
      const rows = await database.sql<{ id: string }[]>`
        select alert_id as id from webhook_deliveries where webhook_id = ${webhookId} order by webhook_deliveries.id`
      alerts = rows.map(({ id }) => id)
      return alerts.length >= count
    })
    return alerts
  }

  async function takeOne(webhookId: string, by = gateway): Promise<TakenDelivery> {
    const [delivery, ...others] = await by.outbox.take(webhookId, 10)
    expect(others).toEqual([])
    return present(delivery, 'delivery')
  }

  async function newDelivery(): Promise<{ id: string; delivery: TakenDelivery }> {
    const { id } = await newWebhook(gateway)
    await raise()
    await gathered(id, 1)
    return { id, delivery: await takeOne(id) }
  }

  it('are taken over by any gateway at each step where another one dies', async () => {
    const { id } = await newWebhook(gateway, { url: 'https://example.com/a' })
    const alert = await raise()
    await gathered(id, 1)
    await using second = await openWebhooks(database.url)
    await using third = await openWebhooks(database.url)
    const taken = await takeOne(id, third)
    expect(taken).toMatchObject({
      url: 'https://example.com/a',
      attempts: 0,
      alert: { id: alert, prediction: { id: alert, band: 'T8' } },
    })
    // The third gateway made the call, and died before it stored the result.
    expect(await second.outbox.take(id, 10)).toEqual([])
    await passTime(database)
    const again = await takeOne(id, second)
    expect(again.alert).toEqual(taken.alert)
    await second.outbox.settle(again, DELIVERED)
    // A result that comes after that of another gateway does not count.
    await third.outbox.settle(taken, FAILED)
    await passTime(database)
    expect(await gateway.outbox.take(id, 10)).toEqual([])
    const [delivery, ...others] = await gateway.store.deliveriesOf('default', [id], { limit: 10, state: undefined })
    expect(delivery).toMatchObject({ alertId: alert, state: 'DELIVERED', attempts: 1, lastStatus: 204, lastError: null })
    expect(others).toEqual([])
  })

  it('have the same cursor as in the subscription', async () => {
    const { delivery } = await newDelivery()
    const [alert] = await gateway.stores.alerts.read({ after: await firstCursor(), limit: 10 })
    expect(delivery.alert).toMatchObject({ cursor: alert?.cursor, raisedAt: alert?.raisedAt, prediction: alert?.prediction })
  })

  async function firstCursor(): Promise<string> {
    const [epoch] = await database.sql<{ tag: string }[]>`select tag from feed_epochs`
    return `0001${epoch?.tag}${'0'.repeat(28)}`
  }

  it('are only those since the webhook was created', async () => {
    await raise()
    let last = ''
    await until(async () => {
      const { id } = await newWebhook(gateway)
      const [work] = (await gateway.outbox.work()).filter(({ webhookId }) => webhookId === id)
      last = id
      return work?.isBehind === false
    })
    const alert = await raise()
    expect(await gathered(last, 1)).toEqual([alert])
  })

  it('are only those of its tenant that match its filter', async () => {
    const { id } = await newWebhook(gateway, { bands: ['T7'], model: 'consumer-credit' })
    await raise()
    const wanted = await raise({ band: 'T7' })
    await raise({ band: 'T7', model: 'another' })
    await raise({ band: 'T7', tenant: 'other' })
    const last = await raise({ band: 'T7' })
    expect(await gathered(id, 2)).toEqual([wanted, last])
    expect(await gateway.outbox.work()).toEqual([{ webhookId: id, tenant: 'default', isBehind: false, hasDue: true }])
  })

  it('wait for one whose transaction is still open, and none is lost', async () => {
    const { id } = await newWebhook(gateway)
    const writer = await database.sql.reserve()
    await writer`begin`
    const first = await raiseAlert(writer)
    const second = await raise()
    await gateway.outbox.gather(id)
    expect(await gateway.outbox.work()).toEqual([{ webhookId: id, tenant: 'default', isBehind: false, hasDue: false }])
    await writer`commit`
    writer.release()
    expect(await gathered(id, 2)).toEqual([first, second])
  })

  it('become one delivery each while several gateways gather and alerts are written', async () => {
    const { id } = await newWebhook(gateway)
    await using second = await openWebhooks(database.url)
    await using third = await openWebhooks(database.url)
    let isWriting = true
    const gathering = [gateway, second, third].map(async ({ outbox }) => {
      while (isWriting) {
        await outbox.gather(id)
        // They make room for the next alerts.
        await outbox.take(id, 100)
      }
    })
    const raised: string[] = []
    for (let round = 0; round < 30; round++) {
      raised.push(...(await Promise.all(Array.from({ length: 20 }, () => raise()))))
    }
    isWriting = false
    await Promise.all(gathering)
    await until(async () => {
      await gateway.outbox.gather(id)
      await gateway.outbox.take(id, 100)
      const [work] = await gateway.outbox.work()
      return work?.isBehind === false && !work.hasDue
    })
    const alerts = await gathered(id, raised.length)
    expect(alerts.toSorted()).toEqual(raised.toSorted())
  })

  it('stay in the feed while a page of deliveries is due, but not while they wait for a retry', async () => {
    const { id } = await newWebhook(gateway)
    const count = async () => (await database.sql<{ n: number }[]>`select count(*)::int as n from webhook_deliveries`)[0]?.n
    const raised = await Promise.all(Array.from({ length: 250 }, () => raise()))
    await until(async () => !(await isHeldBack()))
    expect([await gateway.outbox.gather(id), await count()]).toEqual([true, 200])
    expect((await gateway.outbox.work())[0]).toMatchObject({ isBehind: false, hasDue: true })
    expect([await gateway.outbox.gather(id), await count()]).toEqual([false, 200])
    for (const delivery of await gateway.outbox.take(id, 1)) await gateway.outbox.settle(delivery, FAILED)
    expect((await gateway.outbox.work())[0]).toMatchObject({ isBehind: true, hasDue: true })
    await gateway.outbox.gather(id)
    expect((await gathered(id, 250)).toSorted()).toEqual(raised.toSorted())
  })

  /** Whether a transaction of another test on the server holds the feed back. */
  async function isHeldBack(): Promise<boolean> {
    const [row] = await database.sql<{ held: boolean }[]>`
      select exists (select from alerts where xid >= pg_snapshot_xmin(pg_current_snapshot())) as held`
    return present(row).held
  }

  it('are taken once even if two gateways take them at the same time', async () => {
    const { id } = await newWebhook(gateway)
    await using second = await openWebhooks(database.url)
    for (let round = 1; round <= 5; round++) {
      const raised = await Promise.all(Array.from({ length: 8 }, () => raise()))
      await gathered(id, round * raised.length)
      const taken = (await Promise.all([gateway, second, gateway, second].map(({ outbox }) => outbox.take(id, 8)))).flat()
      const ids = new Set(taken.map(({ alert }) => alert?.id))
      expect(ids).toEqual(new Set(raised))
      await Promise.all(taken.map(delivery => gateway.outbox.settle(delivery, DELIVERED)))
    }
    expect((await gateway.store.statusOf('default', [id])).get(id)).toMatchObject({ pending: 0, dead: 0 })
  })

  it('are retried after growing, random pauses', async () => {
    const { id } = await newWebhook(gateway)
    for (let i = 0; i < 8; i++) await raise()
    await gathered(id, 8)
    for (const shortest of [1, 2, 4]) {
      const taken = await gateway.outbox.take(id, 10)
      expect(taken).toHaveLength(8)
      const [before] = await database.sql<{ at: number }[]>`select extract(epoch from clock_timestamp())::float8 as at`
      await Promise.all(taken.map(delivery => gateway.outbox.settle(delivery, FAILED)))
      const rows = await database.sql<{ startsAt: number; at: number }[]>`
        select extract(epoch from due_at)::float8 as "startsAt", extract(epoch from clock_timestamp())::float8 as at
        from webhook_deliveries where state = 'PENDING'`
      expect(rows).toHaveLength(8)
      // The pauses begin between the two readings of the clock.
      expect(Math.min(...rows.map(({ startsAt }) => startsAt - present(before).at))).toBeGreaterThanOrEqual(shortest)
      expect(Math.max(...rows.map(({ startsAt, at }) => startsAt - at))).toBeLessThan(2 * shortest)
      expect(new Set(rows.map(({ startsAt }) => startsAt.toFixed(2))).size).toBeGreaterThan(1)
      await passTime(database)
    }
    const [delivery] = await gateway.store.deliveriesOf('default', [id], { limit: 1, state: 'PENDING' })
    expect(delivery).toMatchObject({ attempts: 3, lastStatus: 500, lastError: FAILED.error })
  })

  it('wait as long as their endpoint asks, without an attempt being counted, on their first day alone', async () => {
    const { id, delivery } = await newDelivery()
    expect(delivery.mayWait).toBe(true)
    const waiting = { state: 'PENDING', status: 429, error: 'The endpoint asked for a pause.', waitSeconds: 600 } as const
    await gateway.outbox.settle(delivery, waiting)
    const [row] = await database.sql<{ attempts: number; pause: number }[]>`
      select attempts, extract(epoch from due_at - last_attempt_at)::float8 as pause from webhook_deliveries`
    expect(row).toMatchObject({ attempts: 0 })
    expect(row?.pause).toBeGreaterThanOrEqual(600)
    expect(row?.pause).toBeLessThan(603)
    // It holds up nothing else.
    await raise()
    await gathered(id, 1)
    expect(await gateway.outbox.take(id, 10)).toHaveLength(1)
    await database.sql`update webhook_deliveries set due_at = now(), created_at = created_at - interval '25 hours' where id = ${delivery.id}`
    expect(await takeOne(id)).toMatchObject({ id: delivery.id, attempts: 0, mayWait: false })
  })

  it('begin anew when they are redelivered, and earlier attempts no longer count', async () => {
    const { id, delivery } = await newDelivery()
    await gateway.outbox.settle(delivery, FAILED)
    await gateway.store.redeliver(OWNER, delivery.id)
    const before = await takeOne(id)
    expect(await gateway.store.redeliver(OWNER, delivery.id)).toMatchObject({ state: 'PENDING', attempts: 0, lastStatus: null })
    await gateway.outbox.settle(before, { state: 'DEAD', status: 500, error: 'late' })
    const again = await takeOne(id)
    expect(again).toMatchObject({ id: delivery.id, attempts: 0, alert: { id: delivery.alert?.id } })
    await gateway.outbox.settle(again, DELIVERED)
    await gateway.store.redeliver(OWNER, delivery.id)
    expect(await takeOne(id)).toMatchObject({ id: delivery.id })
  })

  it('end when the webhook is deleted, and leave nothing behind', async () => {
    const { id, delivery } = await newDelivery()
    await raise()
    await gathered(id, 2)
    const { id: other } = await newWebhook(gateway)
    await raise()
    await gathered(other, 1)
    expect(await gateway.store.remove(OWNER, id)).toBe(true)
    expect(await gateway.outbox.take(id, 10)).toEqual([])
    await gateway.outbox.settle(delivery, FAILED)
    expect(await gateway.outbox.gather(id)).toBe(false)
    const write = vi.spyOn(gateway.stores.database, 'write')
    await gateway.upkeep.removeDeleted()
    // It does not use the connection that scoring writes with.
    expect(write).not.toHaveBeenCalled()
    expect(await database.sql`select distinct webhook_id as id from webhook_deliveries`).toEqual([{ id: other }])
  })

  it('are taken again at once when they are given back, which does not lengthen the pause after a failure', async () => {
    const { id, delivery } = await newDelivery()
    let taken = delivery
    for (let deploy = 0; deploy < 4; deploy++) {
      await gateway.outbox.giveBack(taken)
      taken = await takeOne(id)
    }
    await gateway.outbox.settle(taken, FAILED)
    const [first] = await database.sql<{ attempts: number; pause: number }[]>`
      select attempts, extract(epoch from due_at - last_attempt_at)::float8 as pause from webhook_deliveries`
    expect(first?.attempts).toBe(1)
    expect(first?.pause).toBeGreaterThanOrEqual(1)
    expect(first?.pause).toBeLessThanOrEqual(2)
  })

  it('are counted up to 10,000', async () => {
    const [one, two] = [await newWebhook(gateway), await newWebhook(gateway)]
    for (const [state, webhook, count] of [
      ['PENDING', one, 6_000],
      ['PENDING', two, 6_000],
      ['DEAD', one, 10_002],
      ['DELIVERED', one, 5],
    ] as const) {
      await database.sql`
        insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, created_at)
        select gen_random_uuid(), ${webhook.id}, 'default', gen_random_uuid(), ${state}, now() from generate_series(1, ${count}::int)`
    }
    await gateway.upkeep.count()
    expect(gateway.upkeep.open).toEqual({ pending: 10_000, dead: 10_000 })
    const statuses = await gateway.store.statusOf('default', [one.id, two.id])
    expect(statuses.get(one.id)).toMatchObject({ pending: 6_000, dead: 10_000 })
    expect(statuses.get(two.id)).toMatchObject({ pending: 6_000, dead: 0 })
  })

  it('are signed with the previous secret for a while, and then that secret is deleted', async () => {
    const { id } = await newWebhook(gateway, { secret: 'whsec_old' })
    const kept = async () => {
      const rows = await database.sql<{ secret: string }[]>`
        select secret from webhooks where id = ${id} union all select secret from webhook_previous_secrets where webhook_id = ${id}`
      return rows.map(({ secret }) => secret)
    }
    await gateway.store.rotateSecret(OWNER, id, 'whsec_new', 3_600)
    await gateway.upkeep.forgetSecrets()
    expect(await kept()).toEqual(['whsec_new', 'whsec_old'])
    await database.sql`update webhook_previous_secrets set until = now() - interval '1 second'`
    await gateway.upkeep.forgetSecrets()
    expect(await kept()).toEqual(['whsec_new'])
  })

  it('are taken without the alert if that is no longer kept', async () => {
    const { id } = await newWebhook(gateway)
    await raise()
    await gathered(id, 1)
    await database.sql`delete from alerts`
    expect((await takeOne(id)).alert).toBeUndefined()
  })

  it('continue after the gateway lost its connections', async () => {
    const { id } = await newWebhook(gateway)
    await raise()
    await gathered(id, 1)
    await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'riskgate:%'`
    let taken: TakenDelivery[] = []
    await until(async () => {
      taken = await gateway.outbox.take(id, 10).catch(() => [])
      return taken.length > 0
    })
    expect(taken).toHaveLength(1)
  })

  it('have ids and times by the clock of the database, in the order of the feed', async () => {
    const { id } = await newWebhook(gateway)
    const [before] = await clock()
    const raised: string[] = []
    for (let i = 0; i < 20; i++) raised.push(await raise())
    // The clock of this process is a year ahead.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 366 * 86_400_000 })
    const late = await newWebhook(gateway)
    expect(await gathered(id, 20)).toEqual(raised)
    await gateway.outbox.settle(present((await gateway.outbox.take(id, 1))[0]), DELIVERED)
    vi.useRealTimers()
    const [after] = await clock()
    const deliveries = await gateway.store.deliveriesOf('default', [id], { limit: 20, state: undefined })
    const times = [late.id, ...deliveries.map(delivery => delivery.id)].map(given =>
      Number.parseInt(given.replace('-', '').slice(0, 12), 16),
    )
    times.push(...deliveries.map(({ createdAt }) => createdAt.getTime()), present(deliveries.at(-1)?.lastAttemptAt).getTime())
    expect(Math.min(...times)).toBeGreaterThanOrEqual(present(before).at)
    expect(Math.max(...times)).toBeLessThanOrEqual(present(after).at)
    for (const given of [late, ...deliveries]) expect(given.id).toMatch(/^.{14}7.{4}[89ab]/)
  })

  function clock(): Promise<{ at: number }[]> {
    return database.sql<{ at: number }[]>`select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as at`
  }
})
