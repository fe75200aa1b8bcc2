import { AlertFeed } from '../alerts/feed.js'
import type { AlertHints } from '../alerts/hints.js'
import { unexpected } from '../observability/logger.js'
import { AlertStore } from '../storage/alerts/alertStore.js'
import type { Kit } from './kit.js'

/** Starts the alert feed, with its metrics and log lines. */
export async function startAlertFeed({ database, metrics, logger, tracer, onStop }: Kit, { hints }: { hints: AlertHints }) {
  const store = new AlertStore(database)
  const feed = new AlertFeed({
    log: store,
    hints,
    failed: error => logger.warn(unexpected(error), 'the alert feed could not be read; trying again'),
    heldBack: holder => logger.warn({ holder }, 'an open transaction holds the alert feed back'),
    delivered: ({ raisedAt }) => {
      metrics.alertDelaySeconds.of().observe(Math.max(0, Date.now() - raisedAt.getTime()) / 1_000)
      tracer.ended('alert delivery', raisedAt)
    },
  })
  metrics.gauge('alert_subscribers', 'Open subscriptions to the alert feed.', () => feed.subscribers)
  metrics.gauge(
    'alert_feed_held_back_seconds',
    'Time that alerts have waited behind an open transaction of any session on the server.',
    () => feed.heldBackSeconds,
  )
  await feed.start()
  onStop(() => feed.stop())
  return { store, feed }
}
