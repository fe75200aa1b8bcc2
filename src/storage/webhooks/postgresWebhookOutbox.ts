import { and, eq, inArray, sql } from 'drizzle-orm'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { ISql } from 'postgres'
import { uuidv7 } from 'uuidv7'
import { Batcher } from '../../concurrency/batcher.js'
import type { AttemptResult, TakenDelivery, WebhookOutbox, WebhookWork } from '../../webhooks/webhookOutbox.js'
import { encodeAlertCursor } from '../alerts/alertCursor.js'
import type { Job, JobPolicy, JobQueue } from '../jobs/jobQueue.js'
import type { Database } from '../postgres/database.js'
import { SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { predictionColumns, toPrediction } from '../predictions/predictionRow.js'
import { alerts, feedEpochs } from '../tables/alerts.js'
import { predictions } from '../tables/predictions.js'
import { webhookDeliveries, webhooks } from '../tables/webhooks.js'
import { queueOf } from './webhookQueues.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const PAGE = 500
const WEBHOOK_JOBS = {
  // An endpoint has ten seconds to answer.
  expirySeconds: 30,
  // The delivery counts its own attempts and ends them. A gateway that was killed during an attempt must not use one up.
  retries: 1_000,
}

/** `queuedAt` distinguishes the current job of a delivery from earlier ones. */
interface JobData {
  readonly deliveryId: string
  readonly queuedAt: string
}

/**
 * Moves alerts from the feed to the queue, and stores the results of attempts. Each step is one statement: when a gateway dies
 * between two steps, the next round of any gateway goes on from there.
 */
export class PostgresWebhookOutbox implements WebhookOutbox {
  readonly #database: Database
  readonly #queue: JobQueue
  readonly #policy: JobPolicy
  readonly #results = new Batcher<object, true>(group => this.#write(group), { maxItems: PAGE, maxRunning: 1 })

  /** `retrySeconds`: the pause before the first retry of a delivery (JobPolicy). */
  constructor(database: Database, queue: JobQueue, retrySeconds: number) {
    this.#database = database
    this.#queue = queue
    this.#policy = { ...WEBHOOK_JOBS, retrySeconds }
  }

  /** All webhooks, with the work that each has. */
  async work(): Promise<WebhookWork[]> {
    return this.#database.read(
      ({ sql }) => sql<WebhookWork[]>`
        select w.id as "webhookId", w.tenant, exists (${followingAlerts(sql)}) as "isBehind",
          exists (select from webhook_deliveries where webhook_id = w.id and state = 'PENDING') as "hasPending"
        from webhooks w order by w.id`,
    )
  }

  /**
   * Turns the next alerts after a webhook's position into deliveries and advances the position. The lock reads the newest
   * position, the rest of the statement an older state of the feed: alerts missing there wait for the next time, and a position
   * never goes back. A gateway that finds the webhook locked leaves it to the other. `offset 0` makes Postgres look each
   * prediction up by its key: a free join may read all predictions of the tenant.
   */
  async gather(webhookId: string): Promise<boolean> {
    // Opened before the first delivery: later, a queue without its webhook shows that deliveries are to be removed.
    await this.#queue.open(queueOf(webhookId))
    const ids = Array.from({ length: PAGE }, () => uuidv7())
    const rows = await this.#database.write(
      ({ sql }) => sql<{ alerts: number }[]>`
        with w as materialized (
          select * from webhooks where id = ${webhookId} for update skip locked
        ), page as materialized (
          select following.*, row_number() over (order by following.epoch, following.xid, following.seq) as number
          from w cross join lateral (${followingAlerts(sql)} order by a.epoch, a.xid, a.seq limit ${PAGE}) following
        ), added as (
          insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, created_at)
          select (${ids}::uuid[])[page.number], w.id, w.tenant, page.prediction_id, 'PENDING', now()
          from w cross join page cross join lateral (
            select band, model from predictions where tenant = w.tenant and id = page.prediction_id offset 0
          ) p
          where (w.bands is null or p.band = any(w.bands)) and (w.model is null or p.model = w.model)
          on conflict (webhook_id, alert_id) do nothing
        ), advanced as (
          update webhooks set epoch = last.epoch, xid = last.xid, seq = last.seq
          from (select * from page order by number desc limit 1) last where webhooks.id = ${webhookId}
        )
        select count(*)::int as alerts from page`,
    )
    return rows[0]?.alerts === PAGE
  }

  /** Puts waiting deliveries into the queue, and marks them as queued in the same statement. */
  async handOver(): Promise<boolean> {
    const waiting = await this.#database.read(
      ({ sql }) => sql<{ id: string; webhookId: string }[]>`
        select id, webhook_id as "webhookId" from webhook_deliveries where queued_at is null order by id limit ${PAGE}`,
    )
    if (waiting.length === 0) return false
    const queuedAt = new Date().toISOString()
    await this.#queue.add(
      waiting.map(({ id, webhookId }) => ({
        queue: queueOf(webhookId),
        data: { deliveryId: id, queuedAt } satisfies JobData,
      })),
      this.#policy,
      {
        // Another gateway may queue the same deliveries: the job of the second one has another `queuedAt`, and is dropped when
        // taken.
        text: first => `
          update webhook_deliveries set queued_at = $${first}::timestamptz where id in (
            select id from webhook_deliveries where id = any($${first + 1}::uuid[]) and queued_at is null
            order by id for update skip locked)`,
        parameters: [queuedAt, waiting.map(({ id }) => id)],
      },
    )
    return waiting.length === PAGE
  }

  /** Takes due deliveries of a webhook. */
  async take(webhookId: string, limit: number): Promise<TakenDelivery[]> {
    const jobs = await this.#queue.take<JobData>(queueOf(webhookId), limit)
    if (jobs.length === 0) return []
    const rows = await this.#read(
      webhookId,
      jobs.map(({ data }) => data.deliveryId),
    )
    const taken = jobs.map(job => toTaken(job, webhookId, rows.get(job.data.deliveryId)))
    const stale = jobs.filter((_, i) => !taken[i])
    await this.#queue.remove(
      queueOf(webhookId),
      stale.map(({ id }) => id),
    )
    return taken.filter(delivery => delivery !== undefined)
  }

  /** Stores the result of an attempt, unless the delivery was begun anew during it. */
  async settle(delivery: TakenDelivery, { state, status, error }: AttemptResult): Promise<void> {
    const { id, queuedAt, webhookId, jobId } = delivery
    await this.#results.submit({ id, queued_at: queuedAt, state, status, error, at: new Date() })
    if (state === 'PENDING') await this.#queue.retry(queueOf(webhookId), jobId)
    else await this.#queue.remove(queueOf(webhookId), [jobId])
  }

  async giveBack({ webhookId, jobId }: TakenDelivery): Promise<void> {
    await this.#queue.giveBack(queueOf(webhookId), jobId)
  }

  async #read(webhookId: string, ids: readonly string[]): Promise<ReadonlyMap<string, DeliveryRow>> {
    const rows = await this.#database.read(({ db }) => selectDeliveries(db, webhookId, ids))
    return new Map(rows.map(row => [row.id, row]))
  }

  async #write(results: readonly object[]): Promise<true[]> {
    await this.#database.write(
      ({ sql }) => sql`
        update webhook_deliveries d set state = ended.state, attempts = attempts + 1, last_status = ended.status,
          last_error = ended.error, last_attempt_at = ended.at
        from json_to_recordset(${JSON.stringify(results)}::text::json)
          as ended (id uuid, queued_at timestamptz, state text, status int, error text, at timestamptz)
        where d.id = ended.id and d.queued_at = ended.queued_at and d.state = 'PENDING'`,
    )
    return results.map(() => true)
  }
}

/** The settled alerts of webhook `w`'s tenant after its position: no other alert can still come before one of them. */
function followingAlerts(sql: ISql) {
  return sql`
    select a.prediction_id, a.epoch, a.xid, a.seq from alerts a
    where a.tenant = w.tenant and (a.epoch, a.xid, a.seq) > (w.epoch, w.xid, w.seq)
      and (a.epoch, a.xid) < ${sql.unsafe(SETTLED_BEFORE)}`
}

function selectDeliveries(db: PostgresJsDatabase, webhookId: string, ids: readonly string[]) {
  const { id, queuedAt, state, attempts } = webhookDeliveries
  return db
    .select({
      id,
      queuedAt,
      state,
      attempts,
      url: webhooks.url,
      secret: webhooks.secret,
      previousSecret: sql<string | null>`case when ${webhooks.previousSecretUntil} > now() then ${webhooks.previousSecret} end`,
      epoch: alerts.epoch,
      tag: feedEpochs.tag,
      xid: sql<string>`${alerts.xid}::text`,
      seq: sql<string>`${alerts.seq}::text`,
      raisedAt: alerts.raisedAt,
      prediction: predictionColumns,
    })
    .from(webhookDeliveries)
    .innerJoin(webhooks, and(eq(webhooks.id, webhookDeliveries.webhookId), eq(webhooks.tenant, webhookDeliveries.tenant)))
    .leftJoin(alerts, and(eq(alerts.predictionId, webhookDeliveries.alertId), eq(alerts.tenant, webhookDeliveries.tenant)))
    .leftJoin(feedEpochs, eq(feedEpochs.ordinal, alerts.epoch))
    .leftJoin(predictions, and(eq(predictions.tenant, alerts.tenant), eq(predictions.id, alerts.predictionId)))
    .where(and(eq(webhookDeliveries.webhookId, webhookId), inArray(webhookDeliveries.id, [...ids])))
}

type DeliveryRow = Awaited<ReturnType<typeof selectDeliveries>>[number]

/** Undefined for a job that no longer counts: its delivery has ended, was begun anew, or was removed with its webhook. */
function toTaken({ id: jobId, data }: Job<JobData>, webhookId: string, row: DeliveryRow | undefined): TakenDelivery | undefined {
  if (row?.state !== 'PENDING' || row.queuedAt?.toISOString() !== data.queuedAt) return undefined
  const { id, queuedAt, attempts, url, secret, previousSecret } = row
  const secrets = previousSecret === null ? [secret] : [secret, previousSecret]
  return { id, webhookId, jobId, queuedAt, attempts, url, secrets, alert: toAlert(row) }
}

function toAlert({ epoch, tag, xid, seq, raisedAt, prediction }: DeliveryRow): TakenDelivery['alert'] {
  if (epoch === null || tag === null || raisedAt === null || prediction === null) return undefined
  const cursor = encodeAlertCursor({ epoch, xid, seq }, [{ ordinal: epoch, tag }])
  return { id: prediction.id, cursor, raisedAt, prediction: toPrediction(prediction) }
}
