import type { ISql } from 'postgres'
import { AlertFeed } from '../../src/alerts/feed.js'
import { LocalHints } from '../../src/alerts/hints.js'
import type { HighRiskAlert } from '../../src/scoring/prediction.js'
import type { AlertStore } from '../../src/storage/alerts/alertStore.js'
import { newPrediction } from './stores.js'

export interface TestFeed extends AsyncDisposable {
  readonly feed: AlertFeed
  readonly hints: LocalHints
  readonly failures: unknown[]
  /** Sessions that the feed reported as holding it back. */
  readonly holders: string[]
}

/** Starts a feed over a real alert log. */
export async function startFeed(log: AlertStore): Promise<TestFeed> {
  const hints = new LocalHints()
  const failures: unknown[] = []
  const holders: string[] = []
  const feed = new AlertFeed({
    log,
    hints,
    failed: error => failures.push(error),
    heldBack: holder => holders.push(holder),
  })
  await feed.start()
  return { feed, hints, failures, holders, [Symbol.asyncDispose]: () => feed.stop() }
}

/** Subscribes to all alerts of the tenant `default`. */
export function follow({ feed }: TestFeed, after?: string) {
  return feed.subscribe({ tenant: 'default', after, matches: () => true })
}

/** The next alerts of a subscription. */
export async function take(alerts: AsyncIterator<HighRiskAlert>, count: number): Promise<HighRiskAlert[]> {
  const taken: HighRiskAlert[] = []
  while (taken.length < count) {
    const { value, done } = await alerts.next()
    if (done) throw new Error(`The feed ended after ${taken.length} of ${count} alerts.`)
    taken.push(value as HighRiskAlert)
  }
  return taken
}

/** Stores a high-risk prediction and its alert in the caller's transaction; returns the prediction's id. */
export async function raiseAlert(sql: ISql, applicantId = 'applicant'): Promise<string> {
  const { id, tenant, createdAt, requestedBy } = newPrediction().prediction
  await sql`
    with stored as (
      insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
      values (${id}, ${tenant}, ${applicantId}, 'consumer-credit', '2', 0.75, 8, true, ${createdAt}, ${requestedBy})
    )
    insert into alerts (prediction_id, tenant, epoch, xid, raised_at)
    values (${id}, ${tenant}, (select max(ordinal) from feed_epochs), pg_current_xact_id(), ${createdAt})`
  return id
}
