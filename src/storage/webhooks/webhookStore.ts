import type { ISql } from 'postgres'
import type { Actor } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import { bandNumber, bandOfNumber } from '../../scoring/bands.js'
import type { NewWebhook, WebhookShelf } from '../../webhooks/createWebhook.js'
import type { DeliveryState } from '../../webhooks/webhookOutbox.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'
import { POSITION_OF_NOW } from '../postgres/feedEpoch.js'
import { type InMilliseconds, milliseconds, toInstant } from '../postgres/instants.js'
import { newId } from '../postgres/uuid.js'

// Counts stop here, to stay within a statement's deadline however many deliveries there are.
export const MAX_COUNT = 10_000
// Each secret makes the header of a call longer by 47 bytes, and servers refuse long headers.
const MAX_PREVIOUS_SECRETS = 10

export interface Webhook extends Omit<NewWebhook, 'secret'> {
  readonly id: string
  readonly createdAt: Date
  readonly createdBy: string
  /** Until then the secret before the last rotation signs too; earlier ones end before. */
  readonly previousSecretUntil: Date | null
}

export interface Delivery {
  readonly id: string
  readonly webhookId: string
  readonly alertId: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly lastStatus: number | null
  readonly lastError: string | null
  readonly createdAt: Date
  readonly lastAttemptAt: Date | null
}

export interface WebhookStatus {
  /** Counted up to 10,000, and so is `dead`. */
  readonly pending: number
  readonly dead: number
  readonly lastDeliveredAt: Date | null
  readonly lastFailedAt: Date | null
  readonly lastFailure: string | null
  /** Age of the oldest alert that the webhook has not taken from the feed. */
  readonly lagSeconds: number
}

export interface DeliveryQuery {
  readonly limit: number
  readonly state: DeliveryState | undefined
}

type WebhookRow = InMilliseconds<Omit<Webhook, 'bands'>> & { readonly bands: readonly number[] | null }

const WEBHOOK_COLUMNS = `id, url, description, bands, model, ${milliseconds('created_at')} as "createdAt", created_by as "createdBy"`
const DELIVERY_COLUMNS = `id, webhook_id as "webhookId", alert_id as "alertId", state, attempts, last_status as "lastStatus",
  last_error as "lastError", ${milliseconds('created_at')} as "createdAt", ${milliseconds('last_attempt_at')} as "lastAttemptAt"`

/** Stores and changes the webhooks of tenants. Each change is one statement with its audit entry. */
export class WebhookStore implements WebhookShelf<Webhook> {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Stores a webhook that begins at the current position of the feed. Undefined when the tenant has reached the limit; two calls
   * at the same moment may exceed it by one.
   */
  async create({ tenant, principal }: Actor, webhook: NewWebhook, limit: number): Promise<Webhook | undefined> {
    const bands = webhook.bands?.map(bandNumber) ?? null
    const details = { bands: webhook.bands, model: webhook.model }
    const rows = await this.#database.write(
      ({ sql }) => sql<WebhookRow[]>`
        with created as (
          insert into webhooks (id, tenant, url, description, secret, bands, model, created_at, created_by, epoch, xid, seq)
          select ${sql.unsafe(newId())}, ${tenant}, ${webhook.url}, ${webhook.description}, ${webhook.secret}, ${bands}::smallint[],
            ${webhook.model}, now(), ${principal}, epoch, xid, seq
          from ${sql.unsafe(POSITION_OF_NOW)} place
          where (select count(*) from webhooks where tenant = ${tenant}) < ${limit}
          returning *
        ), audited as (${auditInsert(sql, 'webhook.created', { tenant, principal }, { rows: sql`created`, subject: sql`id`, details: sql`${JSON.stringify(details)}::text::jsonb` })})
        select ${sql.unsafe(WEBHOOK_COLUMNS)}, null as "previousSecretUntil" from created`,
    )
    return rows.map(toWebhook)[0]
  }

  /**
   * Gives a webhook a new secret. Those before sign too until their time has passed: a repeated call does not end the secret that
   * receivers have. Undefined when the tenant has no such webhook.
   * @throws AppError BAD_USER_INPUT when too many secrets sign
   */
  async rotateSecret(actor: Actor, id: string, secret: string, overlapSeconds: number): Promise<Webhook | undefined> {
    const rows = await this.#database.write(
      ({ sql }) => sql<(WebhookRow & { isRotated: boolean })[]>`
        with w as materialized (
          select * from webhooks where tenant = ${actor.tenant} and id = ${id} for update
        ), rotated as (
          update webhooks set secret = ${secret} from w where webhooks.id = w.id
            and (select count(*) from ${previousSecrets(sql)}) < ${MAX_PREVIOUS_SECRETS}
          returning webhooks.id
        ), kept as (
          insert into webhook_previous_secrets (webhook_id, secret, until)
          select w.id, w.secret, now() + make_interval(secs => ${overlapSeconds}) from w join rotated on rotated.id = w.id
          returning until
        ), audited as (${auditInsert(sql, 'webhook.secret-rotated', actor, { rows: sql`rotated`, subject: sql`id`, details: sql`'{}'::jsonb` })})
        select ${sql.unsafe(WEBHOOK_COLUMNS)}, kept.until is not null as "isRotated",
          ${sql.unsafe(milliseconds('kept.until'))} as "previousSecretUntil"
        from w left join kept on true`,
    )
    const [row] = rows
    if (!row) return undefined
    const { isRotated, ...webhook } = row
    if (!isRotated) {
      throw new AppError('BAD_USER_INPUT', `${MAX_PREVIOUS_SECRETS} earlier secrets still sign. Rotate again when one has ended.`)
    }
    return toWebhook(webhook)
  }

  /** Removes a webhook; answers whether there was one. Its deliveries end at once, and are removed later. */
  async remove(actor: Actor, id: string): Promise<boolean> {
    const rows = await this.#database.write(
      ({ sql }) => sql`
        with removed as (delete from webhooks where tenant = ${actor.tenant} and id = ${id} returning *),
          forgotten as (delete from webhook_previous_secrets where webhook_id in (select id from removed)),
          audited as (${auditInsert(sql, 'webhook.deleted', actor, { rows: sql`removed`, subject: sql`id`, details: sql`'{}'::jsonb` })})
        select id from removed`,
    )
    return rows.length > 0
  }

  /** Begins a delivery anew, whatever its state. Undefined when the tenant has no such delivery. */
  async redeliver(actor: Actor, id: string): Promise<Delivery | undefined> {
    const rows = await this.#database.write(
      ({ sql }) => sql<InMilliseconds<Delivery>[]>`
        with again as (
          update webhook_deliveries set state = 'PENDING', attempts = 0, last_status = null, last_error = null,
            last_attempt_at = null, due_at = now(), turn = turn + 1
          where tenant = ${actor.tenant} and id = ${id}
            and webhook_id in (select id from webhooks where tenant = ${actor.tenant})
          returning *
        ), audited as (${auditInsert(sql, 'webhook.redelivered', actor, { rows: sql`again`, subject: sql`id`, details: sql`jsonb_build_object('webhookId', webhook_id, 'alertId', alert_id)` })})
        select ${sql.unsafe(DELIVERY_COLUMNS)} from again`,
    )
    return rows.map(toDelivery)[0]
  }

  /** All webhooks of a tenant, the oldest first. */
  async list(tenant: string): Promise<Webhook[]> {
    const rows = await this.#database.read(
      ({ sql }) => sql<WebhookRow[]>`
        select ${sql.unsafe(WEBHOOK_COLUMNS)},
          (select ${sql.unsafe(milliseconds('max(until)'))} from ${previousSecrets(sql)}) as "previousSecretUntil"
        from webhooks w where tenant = ${tenant} order by id`,
    )
    return rows.map(toWebhook)
  }

  /** The state of each webhook's deliveries. The conditions on `ahead` are those of the outbox, hints to the planner included. */
  async statusOf(tenant: string, ids: readonly string[]): Promise<ReadonlyMap<string, WebhookStatus>> {
    const rows = await this.#database.read(
      ({ sql }) => sql<(InMilliseconds<WebhookStatus> & { id: string })[]>`
        select w.id, counts.*, ${sql.unsafe(milliseconds('delivered.at'))} as "lastDeliveredAt",
          ${sql.unsafe(milliseconds('failed.at'))} as "lastFailedAt", failed.reason as "lastFailure",
          coalesce(greatest(0, extract(epoch from now() - ahead.raised_at)), 0)::float8 as "lagSeconds"
        from webhooks w
        cross join lateral (
          select ${countOf(sql, 'PENDING')} as pending, ${countOf(sql, 'DEAD')} as dead
        ) counts
        cross join lateral (
          select max(last_attempt_at) as at from webhook_deliveries where ${isOfWebhook(sql)} and state = 'DELIVERED'
        ) delivered
        left join lateral (${lastFailure(sql)}) failed on true
        left join lateral (
          select raised_at from alerts a
          where a.tenant = w.tenant and a.tenant >= (select w.tenant) and (a.epoch, a.xid, a.seq) > (w.epoch, w.xid, w.seq)
          order by epoch, xid, seq limit (select 1)
        ) ahead on true
        where w.tenant = ${tenant} and w.id = any(${[...ids]}::uuid[])`,
    )
    return new Map(rows.map(({ id, ...status }) => [id, toStatus(status)]))
  }

  /** The newest deliveries of each webhook. */
  async deliveriesOf(tenant: string, ids: readonly string[], { limit, state }: DeliveryQuery): Promise<Delivery[]> {
    const rows = await this.#database.read(
      ({ sql }) => sql<InMilliseconds<Delivery>[]>`
        select d.* from webhooks w cross join lateral (
          select ${sql.unsafe(DELIVERY_COLUMNS)} from webhook_deliveries
          where ${isOfWebhook(sql)} ${state === undefined ? sql`` : sql`and state = ${state}`} order by id desc limit ${limit}
        ) d
        where w.tenant = ${tenant} and w.id = any(${[...ids]}::uuid[]) order by d.id desc`,
    )
    return rows.map(toDelivery)
  }
}

/** The earlier secrets of webhook `w` that sign, for FROM. */
function previousSecrets(sql: ISql) {
  return sql`(select until from webhook_previous_secrets where webhook_id = w.id and until > now()) previous`
}

/**
 * The second condition is a hint to the planner, and so is the unknown limit of a count (docs/adr/0007): it would read the
 * deliveries of all webhooks to find those of a quiet one.
 */
function isOfWebhook(sql: ISql) {
  return sql`webhook_id = w.id and webhook_id >= (select w.id)`
}

function countOf(sql: ISql, state: DeliveryState) {
  return sql`(
    select count(*)::int from (
      select from webhook_deliveries where ${isOfWebhook(sql)} and state = ${state} order by id limit (select ${MAX_COUNT}::int)
    ) counted)`
}

/** The newest failed attempt of deliveries that have not succeeded since. */
function lastFailure(sql: ISql) {
  const of = (state: DeliveryState) => sql`
    (select last_attempt_at as at, last_error as reason from webhook_deliveries
      where ${isOfWebhook(sql)} and state = ${state} and last_attempt_at is not null order by last_attempt_at desc limit 1)`
  return sql`select * from (${of('PENDING')} union all ${of('DEAD')}) failures where reason is not null order by at desc limit 1`
}

function toWebhook({ bands, createdAt, previousSecretUntil, ...row }: WebhookRow): Webhook {
  return {
    ...row,
    bands: bands?.map(bandOfNumber) ?? null,
    createdAt: new Date(createdAt),
    previousSecretUntil: toInstant(previousSecretUntil),
  }
}

function toDelivery({ createdAt, lastAttemptAt, ...row }: InMilliseconds<Delivery>): Delivery {
  return { ...row, createdAt: new Date(createdAt), lastAttemptAt: toInstant(lastAttemptAt) }
}

function toStatus({ lastDeliveredAt, lastFailedAt, ...row }: InMilliseconds<WebhookStatus>): WebhookStatus {
  return { ...row, lastDeliveredAt: toInstant(lastDeliveredAt), lastFailedAt: toInstant(lastFailedAt) }
}
