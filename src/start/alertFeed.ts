import { AlertFeed } from '../alerts/feed.js'
import type { AlertHints } from '../alerts/hints.js'
import { type Logger, unexpected } from '../observability/logger.js'
import type { Metrics } from '../observability/metrics.js'
import type { AlertStore } from '../storage/alerts/alertStore.js'

/** The feed of alerts with what it tells of itself, not started yet. */
export function createAlertFeed(log: AlertStore, hints: AlertHints, metrics: Metrics, logger: Logger): AlertFeed {
  const feed = new AlertFeed({
    log,
    hints,
    failed: error => logger.warn(unexpected(error), 'the alert feed could not be read; trying again'),
    heldBack: holder => logger.warn({ holder }, 'an open transaction holds the alert feed back'),
    delivered: ({ raisedAt }) => metrics.alertDelaySeconds.observe(Math.max(0, Date.now() - raisedAt.getTime()) / 1_000),
  })
  metrics.gauge('alert_subscribers', 'Open subscriptions to the alert feed.', () => feed.subscribers)
  metrics.gauge(
    'alert_feed_held_back_seconds',
    'Time that alerts have waited behind an open transaction of any session on the server.',
    () => feed.heldBackSeconds,
  )
  return feed
}
