import { PostgresWebhookOutbox } from '../../src/storage/webhooks/postgresWebhookOutbox.js'
import { type Webhook, WebhookStore } from '../../src/storage/webhooks/webhookStore.js'
import { WebhookUpkeep } from '../../src/storage/webhooks/webhookUpkeep.js'
import type { NewWebhook } from '../../src/webhooks/createWebhook.js'
import { newWebhookSecret } from '../../src/webhooks/webhookSignature.js'
import type { TestDatabase } from './database.js'
import { openStores, type TestStores } from './stores.js'

export const OWNER = { tenant: 'default', principal: 'operator' }

export interface TestWebhooks extends AsyncDisposable {
  readonly stores: TestStores
  readonly store: WebhookStore
  readonly outbox: PostgresWebhookOutbox
  readonly upkeep: WebhookUpkeep
}

/** One gateway's parts for webhooks, over a database; migrates it first. Retries begin after one second. */
export async function openWebhooks(url: string): Promise<TestWebhooks> {
  const stores = await openStores(url)
  return {
    stores,
    store: new WebhookStore(stores.database),
    outbox: new PostgresWebhookOutbox(stores.database, 1),
    upkeep: new WebhookUpkeep(stores.database),
    [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
  }
}

export async function newWebhook({ store }: TestWebhooks, given: Partial<NewWebhook> = {}, owner = OWNER): Promise<Webhook> {
  const defaults = { url: 'https://example.com/alerts', description: null, secret: newWebhookSecret(), bands: null, model: null }
  const webhook = await store.create(owner, { ...defaults, ...given }, 20)
  if (!webhook) throw new Error('The tenant has too many webhooks.')
  return webhook
}

/** Makes all pending deliveries due: pauses before retries have passed, and so have the leases of dead gateways. */
export async function passTime({ sql }: Pick<TestDatabase, 'sql'>): Promise<void> {
  await sql`
    update webhook_deliveries set due_at = due_at - interval '10 years' where state = 'PENDING'`
}
