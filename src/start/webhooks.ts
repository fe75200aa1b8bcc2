import type { AlertHints } from '../alerts/hints.js'
import type { Config } from '../config/config.js'
import { type Logger, unexpected } from '../observability/logger.js'
import type { Metrics } from '../observability/metrics.js'
import type { JobQueue } from '../storage/jobs/jobQueue.js'
import type { Database } from '../storage/postgres/database.js'
import { PostgresWebhookOutbox } from '../storage/webhooks/postgresWebhookOutbox.js'
import { WebhookUpkeep } from '../storage/webhooks/webhookUpkeep.js'
import { WebhookDispatcher } from '../webhooks/webhookDispatcher.js'

/** Alerts to endpoints: what follows the feed and calls, and what tidies up. */
export function startWebhooks(
  config: Config,
  database: Database,
  queue: JobQueue,
  hints: AlertHints,
  metrics: Metrics,
  logger: Logger,
) {
  const dispatcher = new WebhookDispatcher({
    outbox: new PostgresWebhookOutbox(database, queue),
    hints,
    mayBePrivate: config.webhooksMayBePrivate,
    maxAttempts: config.webhookAttempts,
    ended: (result, { webhookId, id }, status) => {
      metrics.webhookAttempts.inc({ result })
      if (result === 'dead') logger.warn({ webhookId, deliveryId: id, status }, 'a webhook delivery was given up')
    },
    failed: error => logger.warn(unexpected(error), 'webhooks could not be served; trying again'),
  })
  dispatcher.start()
  const upkeep = new WebhookUpkeep(database, queue)
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
  return { stop: () => dispatcher.stop(), upkeep: upkeep.tasks() }
}
