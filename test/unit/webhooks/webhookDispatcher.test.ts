import { expect, it } from 'vitest'
import { LocalHints } from '../../../src/alerts/hints.js'
import { WebhookDispatcher } from '../../../src/webhooks/webhookDispatcher.js'
import type { WebhookOutbox } from '../../../src/webhooks/webhookOutbox.js'
import { until } from '../../support/process.js'

it('the dispatcher takes from no further webhook when it is stopped in the middle of a round', async () => {
  const asked: string[] = []
  let goOn = () => {}
  const slow = new Promise<void>(resolve => {
    goOn = resolve
  })
  const outbox: Pick<WebhookOutbox, 'work' | 'take'> = {
    work: async () => ['a', 'b', 'c'].map(webhookId => ({ webhookId, tenant: 'one', isBehind: false, hasDue: true })),
    take: async webhookId => {
      asked.push(webhookId)
      await slow
      return []
    },
  }
  const dispatcher = new WebhookDispatcher({
    outbox: outbox as WebhookOutbox,
    hints: new LocalHints(),
    mayBePrivate: true,
    longestWaitSeconds: 60,
    maxAttempts: 12,
    now: Date.now,
    ended: () => {},
    failed: error => {
      throw error
    },
  })
  dispatcher.start()
  await until(() => asked.length > 0)
  const stopped = dispatcher.stop()
  goOn()
  await stopped
  expect(asked).toEqual(['a'])
})
