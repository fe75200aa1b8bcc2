import { expect, it } from 'vitest'
import { createDatabase, migrateUpTo } from '../support/database.js'
import { openWebhooks } from '../support/webhooks.js'

const ID = '01900000-0000-7000-8000-000000000001'

/** The last migration of release 0.2.0. */
const LAST_OF_0_2_0 = 3

it('an upgrade from 0.2.0 keeps the pending deliveries of a webhook, and its earlier secret', async () => {
  await using database = await createDatabase()
  await migrateUpTo(database, LAST_OF_0_2_0)
  await database.sql`
    insert into webhooks (id, tenant, url, secret, previous_secret, previous_secret_until, created_at, created_by, epoch, xid, seq)
    values (${ID}, 'default', 'https://example.com/', 'new', 'old', now() + interval '1 hour', now(), 'x', 1, '0', 0)`
  await database.sql`
    insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, attempts, created_at, queued_at)
    select gen_random_uuid(), ${ID}, 'default', gen_random_uuid(), state, 1, now(), queued_at
    from (values ('PENDING', now()), ('PENDING', null), ('DELIVERED', now()), ('DEAD', now())) given (state, queued_at)`
  await using gateway = await openWebhooks(database.url)
  const taken = await gateway.outbox.take(ID, 10)
  const expected = { attempts: 1, secrets: ['new', 'old'] }
  expect(taken).toMatchObject([expected, expected])
})
