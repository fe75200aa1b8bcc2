import { and, eq, inArray, sql } from 'drizzle-orm'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import type { ISql } from 'postgres'
import { Batcher } from '../../concurrency/batcher.js'
import type { AttemptResult, TakenDelivery, WebhookOutbox, WebhookWork } from '../../webhooks/webhookOutbox.js'
import { encodeAlertCursor } from '../alerts/alertCursor.js'
import type { Database } from '../postgres/database.js'
import { SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { newId } from '../postgres/uuid.js'
import { predictionColumns, toPrediction } from '../predictions/predictionRow.js'
import { alerts, feedEpochs } from '../tables/alerts.js'
import { predictions } from '../tables/predictions.js'
import { webhookDeliveries, webhooks } from '../tables/webhooks.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open. A webhook with as many due
// deliveries takes no more from the feed: the feed is its backlog.
const PAGE = 200
// An endpoint has ten seconds to answer. After this time the gateway that took a delivery counts as gone.
const LEASE_SECONDS = 30
// An endpoint may ask to wait during this time. After it each attempt counts, or a delivery would never end.
const WAITING_HOURS = 24
// Results of one group. They come from calls of one gateway, which are bounded.
const MAX_RESULTS = 500

/**
 * Moves alerts from the feed to deliveries, and stores the results of attempts. Deliveries are the queue themselves: `due_at` says
 * when the next attempt may begin. Each step is one statement: when a gateway dies between two steps, any gateway goes on.
 */
export class PostgresWebhookOutbox implements WebhookOutbox {
  readonly #database: Database
  readonly #retrySeconds: number
  readonly #results = new Batcher<object, true>(group => this.#write(group), { maxItems: MAX_RESULTS, maxRunning: 1 })

  /**
   * `retrySeconds`: the pause before the first retry is by chance between one and two times as long; each further pause doubles
   * that.
   */
  constructor(database: Database, retrySeconds: number) {
    this.#database = database
    this.#retrySeconds = retrySeconds
  }

  async work(): Promise<WebhookWork[]> {
    return this.#database.readInBackground(
      ({ sql }) => sql<WebhookWork[]>`
        select w.id as "webhookId", w.tenant, exists (select from (${followingAlerts(sql, 1)}) a) and ${hasRoom(sql)} as "isBehind",
          exists (select from (${dueDeliveries(sql, 1)}) due) as "hasDue"
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
    const rows = await this.#database.writeInBackground(
      ({ sql }) => sql<{ alerts: number }[]>`
        with w as materialized (
          select * from webhooks w where id = ${webhookId} and ${hasRoom(sql)} for update skip locked
        ), page as materialized (
          select following.*, row_number() over (order by following.epoch, following.xid, following.seq) as number
          from w cross join lateral (${followingAlerts(sql, PAGE)}) following
        ), added as (
          insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, created_at, due_at)
          select ${sql.unsafe(newId('page.number'))}, w.id, w.tenant, page.prediction_id, 'PENDING', now(), now()
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

  /**
   * The longest due come first. They are this gateway's until it settles them or gives them back, or their lease ends. As an array,
   * their ids are looked up by the key: the planner would join a page with all deliveries.
   */
  async take(webhookId: string, limit: number): Promise<TakenDelivery[]> {
    const taken = await this.#database.writeInBackground(
      ({ sql }) => sql<{ id: string }[]>`
        update webhook_deliveries set turn = turn + 1, due_at = now() + make_interval(secs => ${LEASE_SECONDS})
        where id = any(array(
          select id from webhook_deliveries where webhook_id = ${webhookId} and ${isDue(sql)}
          order by due_at limit ${unforeseen(sql, limit)} for update skip locked
        )) returning id`,
    )
    if (taken.length === 0) return []
    const ids = taken.map(({ id }) => id)
    const rows = await this.#database.readInBackground(({ db }) => selectDeliveries(db, webhookId, ids))
    return rows.map(row => toTaken(row, webhookId))
  }

  async settle({ id, turn }: TakenDelivery, result: AttemptResult): Promise<void> {
    await this.#results.submit({ id, turn, ...result })
  }

  async giveBack({ id, turn }: TakenDelivery): Promise<void> {
    // The column would round the time up to the next millisecond: it would not be due at once.
    await this.#database.writeInBackground(
      ({ sql }) => sql`
        update webhook_deliveries set due_at = date_trunc('milliseconds', now())
        where id = ${id} and turn = ${turn} and state = 'PENDING'`,
    )
  }

  async #write(results: readonly object[]): Promise<true[]> {
    await this.#database.writeInBackground(
      ({ sql }) => sql`
        update webhook_deliveries d set state = ended.state, last_status = ended.status,
          attempts = attempts + case when ended."waitSeconds" is null then 1 else 0 end,
          last_error = ended.error, last_attempt_at = now(),
          due_at = now() + make_interval(secs => coalesce(ended."waitSeconds", 0) + ${this.#retrySeconds} * power(2, attempts) * (1 + random()))
        from json_to_recordset(${JSON.stringify(results)}::text::json)
          as ended (id uuid, turn int, state text, status int, error text, "waitSeconds" float8)
        where d.id = ended.id and d.turn = ended.turn and d.state = 'PENDING'`,
    )
    return results.map(() => true)
  }
}

/**
 * The first settled alerts of webhook `w`'s tenant after its position: no other alert can still come before one of them. The second
 * condition on the tenant is a hint to the planner (docs/adr/0007): it would read the alerts of all tenants to find none of a quiet
 * one.
 */
function followingAlerts(sql: ISql, limit: number) {
  return sql`
    select a.prediction_id, a.epoch, a.xid, a.seq from alerts a
    where a.tenant = w.tenant and a.tenant >= (select w.tenant) and (a.epoch, a.xid, a.seq) > (w.epoch, w.xid, w.seq)
      and (a.epoch, a.xid) < ${sql.unsafe(SETTLED_BEFORE)}
    order by a.epoch, a.xid, a.seq limit ${unforeseen(sql, limit)}`
}

/**
 * A limit that the planner does not know, so that it expects to read a tenth of the rows. Without statistics of a new backlog it
 * expects fewer rows than a page. It would read them all and sort them.
 */
function unforeseen(sql: ISql, limit: number) {
  return sql`(select ${limit}::int)`
}

function isDue(sql: ISql) {
  return sql`state = 'PENDING' and due_at <= now()`
}

/** Some due deliveries of webhook `w`, in the order of their index. Without an order the planner reads those of all webhooks. */
function dueDeliveries(sql: ISql, limit: number) {
  return sql`select due_at from webhook_deliveries where webhook_id = w.id and ${isDue(sql)} order by due_at limit ${unforeseen(sql, limit)}`
}

/** Whether webhook `w` has less than a page of due deliveries. Those that wait for a retry do not count: they hold nothing up. */
function hasRoom(sql: ISql) {
  return sql`(select count(*) from (${dueDeliveries(sql, PAGE)}) due) < ${PAGE}`
}

function selectDeliveries(db: PostgresJsDatabase, webhookId: string, ids: readonly string[]) {
  const { id, turn, attempts } = webhookDeliveries
  return db
    .select({
      id,
      turn,
      attempts,
      mayWait: sql<boolean>`${webhookDeliveries.createdAt} > now() - make_interval(hours => ${WAITING_HOURS})`,
      url: webhooks.url,
      secret: webhooks.secret,
      previousSecrets: sql<string[]>`array(select secret from webhook_previous_secrets
        where webhook_id = ${webhooks.id} and until > now() order by until desc)`,
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

function toTaken(row: DeliveryRow, webhookId: string): TakenDelivery {
  const { id, turn, attempts, mayWait, url, secret, previousSecrets } = row
  return { id, webhookId, turn, attempts, mayWait, url, secrets: [secret, ...previousSecrets], alert: toAlert(row) }
}

function toAlert({ epoch, tag, xid, seq, raisedAt, prediction }: DeliveryRow): TakenDelivery['alert'] {
  if (epoch === null || tag === null || raisedAt === null || prediction === null) return undefined
  const cursor = encodeAlertCursor({ epoch, xid, seq }, [{ ordinal: epoch, tag }])
  return { id: prediction.id, cursor, raisedAt, prediction: toPrediction(prediction) }
}
