import DataLoader from 'dataloader'
import { AppError } from '../errors.js'
import type { Delivery, DeliveryQuery, WebhookStatus, WebhookStore } from '../storage/webhooks/webhookStore.js'

interface DeliveriesKey extends DeliveryQuery {
  readonly webhookId: string
}

export interface WebhookLoaders {
  readonly webhookStatus: DataLoader<string, WebhookStatus>
  /** The newest deliveries of a webhook: one statement for all webhooks with the same arguments. */
  readonly webhookDeliveries: DataLoader<DeliveriesKey, Delivery[]>
}

/** Without a cache: only queries read webhooks, and each reads one once. */
export function webhookLoaders(webhooks: WebhookStore, tenant: string): WebhookLoaders {
  return {
    webhookStatus: new DataLoader<string, WebhookStatus>(
      async ids => {
        const found = await webhooks.statusOf(tenant, ids)
        return ids.map(id => found.get(id) ?? new AppError('NOT_FOUND', 'This webhook has just been deleted.'))
      },
      { cache: false },
    ),
    webhookDeliveries: new DataLoader<DeliveriesKey, Delivery[]>(
      async keys => {
        const found = new Map<string, Promise<Delivery[]>>()
        const alike = (key: DeliveriesKey) => {
          const how = `${key.limit} ${key.state}`
          const ids = keys
            .filter(({ limit, state }) => limit === key.limit && state === key.state)
            .map(({ webhookId }) => webhookId)
          const deliveries = found.get(how) ?? webhooks.deliveriesOf(tenant, ids, key)
          found.set(how, deliveries)
          return deliveries
        }
        return Promise.all(keys.map(async key => (await alike(key)).filter(({ webhookId }) => webhookId === key.webhookId)))
      },
      { cache: false },
    ),
  }
}
