import type { ServerResponse } from 'node:http'
import type { Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { CreateWebhookDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { type Receiver, startReceiver } from '../support/receiver.js'
import { score } from '../support/stored.js'
import { newWebhook, openWebhooks, type TestWebhooks } from '../support/webhooks.js'

// `npm run test:backlog` sets a million.
const ALERTS = Number(process.env.RISKGATE_BACKLOG_ALERTS ?? 20_000)
const CHUNK = 20_000
const TIMEOUT_MS = 900_000
const TIMELY = 20
// Deliveries of one webhook that may be due at a time, and its calls.
const MOST_HANDED_OVER = 400 + 16

it('a webhook that is behind by a whole backlog leaves it in the feed, holds nobody up, and catches up when its endpoint answers', {
  timeout: TIMEOUT_MS,
}, async () => {
  const held: ServerResponse[] = []
  await using late = await startReceiver((_call, response) => held.push(response))
  await using healthy = await startReceiver()
  await using gateway = await startGateway({ RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true' })
  const { sql } = gateway.database
  const noisy = await gateway.as({ roles: ['ADMIN'], tenant: 'noisy' })
  const quiet = await gateway.as({ roles: ['ADMIN'], tenant: 'quiet' })
  await noisy.data(CreateWebhookDocument, { input: { url: late.url } })
  await quiet.data(CreateWebhookDocument, { input: { url: healthy.url } })
  await addAlerts(sql, 'noisy')
  await late.received(16)
  await report(`behind ${ALERTS} alerts`, quiet, healthy)
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from webhook_deliveries where tenant = 'noisy'`
  expect(row?.n).toBeLessThanOrEqual(MOST_HANDED_OVER)
  late.answer = 204
  for (const response of held) response.writeHead(204).end()
  const before = late.calls.length
  await late.received(before + 500)
  await report('while it catches up', quiet, healthy)
  await late.received(before + 2_000)
  const caughtUp = late.calls.slice(before).map(({ id }) => id)
  expect(new Set(caughtUp).size).toBe(caughtUp.length)
})

describe('a backlog', () => {
  let database: TestDatabase
  /** One webhook whose alerts are in the feed, one whose deliveries are all due, and one of another tenant without any. */
  const ids: Record<'behind' | 'due' | 'quiet', string> = { behind: '', due: '', quiet: '' }
  beforeAll(async () => {
    database = await createTestDatabase()
    const { sql } = database
    await sql`alter table webhook_deliveries set (autovacuum_enabled = off)`
    await sql`alter table alerts set (autovacuum_enabled = off)`
    await using gateway = await openWebhooks(database.url)
    for (const name of ['behind', 'due', 'quiet'] as const) {
      ids[name] = (await newWebhook(gateway, {}, { tenant: name, principal: 'operator' })).id
    }
    await addAlerts(sql, 'behind')
    for (let added = 0; added < ALERTS; added += CHUNK) {
      await sql`
        insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, created_at, due_at)
        select gen_random_uuid(), ${ids.due}, 'due', gen_random_uuid(), 'PENDING', now(), now() - i * interval '1 second'
        from generate_series(1, ${Math.min(CHUNK, ALERTS - added)}::int) i`
    }
  }, TIMEOUT_MS)
  afterAll(() => database[Symbol.asyncDispose]())

  /** The rows of alerts and deliveries that a gateway reads for some work. */
  async function rowsRead(work: (gateway: TestWebhooks) => Promise<unknown>): Promise<number> {
    const { sql } = database
    const total = async () => {
      // A session adds what it did to the statistics when it ends.
      await until(async () => {
        const rows = await sql`
          select from pg_stat_activity where datname = current_database() and application_name like 'riskgate:%'`
        return rows.length === 0
      })
      const [row] = await sql<{ read: number }[]>`
        select sum(seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid))::float8 as read
        from pg_stat_user_tables t where relname in ('webhook_deliveries', 'alerts')`
      return present(row).read
    }
    const before = await total()
    const gateway = await openWebhooks(database.url)
    await work(gateway)
    await gateway[Symbol.asyncDispose]()
    return (await total()) - before
  }

  it.each(['without', 'with'])(
    'is read page by page, %s statistics of the planner',
    { timeout: TIMEOUT_MS },
    async statistics => {
      if (statistics === 'with') await database.sql`analyze`
      const taken = await rowsRead(async ({ outbox }) => expect(await outbox.take(ids.due, 16)).toHaveLength(16))
      expect(taken).toBeGreaterThanOrEqual(16)
      expect(taken).toBeLessThan(16 * 10)
      // It has room for a page.
      await database.sql`delete from webhook_deliveries where webhook_id = ${ids.behind}`
      const gathered = await rowsRead(async ({ outbox }) => expect(await outbox.gather(ids.behind)).toBe(true))
      expect(gathered).toBeGreaterThanOrEqual(200)
      expect(gathered).toBeLessThan(200 * 5)
      expect(await rowsRead(({ outbox }) => outbox.gather(ids.quiet))).toBeLessThan(1_000)
      expect(await rowsRead(({ outbox }) => outbox.work())).toBeLessThan(1_000)
      expect(await rowsRead(({ store }) => store.statusOf('quiet', [ids.quiet]))).toBeLessThan(1_000)
      const page = { limit: 20, state: undefined }
      expect(await rowsRead(({ store }) => store.deliveriesOf('quiet', [ids.quiet], page))).toBeLessThan(1_000)
    },
  )

  it('is counted up to 10,000', async () => {
    await using gateway = await openWebhooks(database.url)
    await gateway.upkeep.count()
    expect(gateway.upkeep.open.pending).toBe(Math.min(ALERTS, 10_000))
    expect((await gateway.store.statusOf('due', [ids.due])).get(ids.due)).toMatchObject({ pending: Math.min(ALERTS, 10_000) })
  })
})

/** Adds high-risk predictions with their alerts, some a transaction. */
async function addAlerts(sql: Sql, tenant: string): Promise<void> {
  for (let added = 0; added < ALERTS; added += CHUNK) {
    await sql`
      with made as (
        insert into predictions
          (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
        select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || '7' || substr(gen_random_uuid()::text, 1, 3) || '8'
          || substr(gen_random_uuid()::text, 1, 3) || lpad(to_hex(${added}::int + i), 12, '0'))::uuid,
          ${tenant}, 'a', 'consumer-credit', '2', 0.75, 8, true, now(), 'x'
        from generate_series(1, ${Math.min(CHUNK, ALERTS - added)}::int) i returning id, tenant
      )
      insert into alerts (prediction_id, tenant, epoch, xid, raised_at)
      select id, tenant, (select max(ordinal) from feed_epochs), pg_current_xact_id(), now() from made`
  }
}

/** Scores for a healthy webhook, and prints how long its alerts took. */
async function report(when: string, client: GraphqlClient, receiver: Receiver): Promise<void> {
  const delays: number[] = []
  for (let i = 0; i < TIMELY; i++) {
    const next = receiver.calls.length + 1
    const begun = performance.now()
    await score(client, 'a', HIGH_RISK)
    const calls = await receiver.received(next)
    delays.push(Math.round(present(calls.at(-1)).at - begun))
  }
  const sorted = delays.toSorted((one, other) => one - other)
  process.stdout.write(`Alerts of another tenant's webhook, ${when}, took ${sorted.join(', ')} ms.\n`)
}
