import type { AlertHints } from '../alerts/hints.js'
import { unexpected } from '../observability/logger.js'
import { showFromZero } from '../observability/metrics.js'
import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import { PostgresWebhookOutbox } from '../storage/webhooks/postgresWebhookOutbox.js'
import { WebhookStore } from '../storage/webhooks/webhookStore.js'
import { WebhookUpkeep } from '../storage/webhooks/webhookUpkeep.js'
import { WebhookDispatcher } from '../webhooks/webhookDispatcher.js'
import { type DeliveryState, OUTBOX_STEPS } from '../webhooks/webhookOutbox.js'
import type { Kit } from './kit.js'

/** The label of an attempt, by the state of its delivery after it. */
const RESULT_BY_STATE: Readonly<Record<DeliveryState, string>> = { PENDING: 'failed', DELIVERED: 'delivered', DEAD: 'dead' }

/** Starts the delivery of alerts to webhooks. Returns the store of webhooks. */
export function startWebhooks(kit: Kit, { hints, clock }: { hints: AlertHints; clock: ClockWatch }): WebhookStore {
  const { config, database, metrics, logger, tracer, onStop } = kit
  showFromZero(metrics.webhookAttempts, 'result', Object.values(RESULT_BY_STATE))
  showFromZero(metrics.webhookFailures, 'step', OUTBOX_STEPS)
  const dispatcher = new WebhookDispatcher({
    outbox: new PostgresWebhookOutbox(database, config.webhookRetrySeconds),
    hints,
    mayBePrivate: config.webhooksMayBePrivate,
    privateNetworks: config.webhookPrivateNetworks,
    longestWaitSeconds: config.webhookRetryAfterSeconds,
    maxAttempts: config.webhookAttempts,
    now: clock.now,
    tracer,
    ended: ({ state, status }, { webhookId, id }) => {
      metrics.webhookAttempts.inc({ result: RESULT_BY_STATE[state] })
      if (state === 'DEAD') logger.warn({ webhookId, deliveryId: id, status }, 'a webhook delivery was given up')
    },
    failed: (error, step) => {
      metrics.webhookFailures.inc({ step })
      logger.warn({ step, ...unexpected(error) }, 'webhooks could not be served; trying again')
    },
  })
  dispatcher.start()
  onStop(() => dispatcher.stop())
  const upkeep = new WebhookUpkeep(database)
  kit.upkeep(...upkeep.tasks())
  metrics.gauge(
    'webhook_deliveries_pending',
    'Deliveries to webhooks that are still tried; the count stops at 10,000.',
    () => upkeep.open.pending,
  )
  metrics.gauge(
    'webhook_deliveries_dead',
    'Deliveries to webhooks that were given up; the count stops at 10,000.',
    () => upkeep.open.dead,
  )
  return new WebhookStore(database)
}
