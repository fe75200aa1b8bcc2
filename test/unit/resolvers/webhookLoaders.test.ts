import { describe, expect, it } from 'vitest'
import { webhookLoaders } from '../../../src/resolvers/webhookLoaders.js'
import type { Delivery, DeliveryQuery, WebhookStatus, WebhookStore } from '../../../src/storage/webhooks/webhookStore.js'

const STATUS: WebhookStatus = { pending: 0, dead: 0, lastDeliveredAt: null, lastFailedAt: null, lastFailure: null, lagSeconds: 0 }

/** Loaders over a store that records the statements. */
function loadersOver() {
  const statements: unknown[] = []
  const store = {
    statusOf: async (tenant: string, ids: readonly string[]) => {
      statements.push(['statusOf', tenant, ids])
      return new Map(ids.filter(id => id !== 'gone').map(id => [id, STATUS]))
    },
    deliveriesOf: async (tenant: string, ids: readonly string[], { limit, state }: DeliveryQuery) => {
      statements.push(['deliveriesOf', tenant, ids, limit, state])
      return ids.filter(id => id !== 'idle').map(webhookId => ({ id: `${webhookId}-${state}`, webhookId }) as Delivery)
    },
  }
  return { statements, ...webhookLoaders(store as unknown as WebhookStore, 'a tenant') }
}

describe('the loaders of webhooks', () => {
  it('read the status of many webhooks in one statement, and match each to its webhook', async () => {
    const { webhookStatus, statements } = loadersOver()
    const answers = await webhookStatus.loadMany(['a', 'gone', 'b'])
    expect(answers).toEqual([STATUS, expect.objectContaining({ code: 'NOT_FOUND' }), STATUS])
    expect(statements).toEqual([['statusOf', 'a tenant', ['a', 'gone', 'b']]])
  })

  it('read the deliveries of many webhooks in one statement for each combination of limit and state', async () => {
    const { webhookDeliveries, statements } = loadersOver()
    const ask = (webhookId: string, limit: number, state?: Delivery['state']) =>
      webhookDeliveries.load({ webhookId, limit, state })
    const answers = await Promise.all([ask('a', 3), ask('idle', 3), ask('a', 3, 'DEAD'), ask('b', 3, 'DEAD'), ask('b', 3)])
    expect(answers.map(deliveries => deliveries.map(({ id }) => id))).toEqual([
      ['a-undefined'],
      [],
      ['a-DEAD'],
      ['b-DEAD'],
      ['b-undefined'],
    ])
    expect(statements).toEqual([
      ['deliveriesOf', 'a tenant', ['a', 'idle', 'b'], 3, undefined],
      ['deliveriesOf', 'a tenant', ['a', 'b'], 3, 'DEAD'],
    ])
  })
})
