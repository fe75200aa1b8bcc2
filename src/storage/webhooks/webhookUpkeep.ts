import type { ISql } from 'postgres'
import type { DeliveryState } from '../../webhooks/webhookOutbox.js'
import type { JobQueue } from '../jobs/jobQueue.js'
import type { Database } from '../postgres/database.js'
import type { UpkeepTask } from '../postgres/upkeep.js'
import { queueOf, webhookOf } from './webhookQueues.js'
import { MAX_COUNT } from './webhookStore.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK = 1_000
const CHUNKS_A_TIME = 10
const MINUTE_MS = 60_000
const FIRST = '00000000-0000-0000-0000-000000000000'

interface QueuedDelivery {
  readonly id: string
  readonly webhookId: string
  readonly queuedAt: string
}

/** Counts deliveries, queues lost ones again, and removes in chunks the deliveries, queues and secrets that are of no use. */
export class WebhookUpkeep {
  readonly #database: Database
  readonly #queue: JobQueue
  /** Deliveries of all webhooks that are still tried, and those that were given up, as last counted; each up to 10,000. */
  open = { pending: 0, dead: 0 }
  /** The last delivery that was checked for a lost job. */
  #lookedAt = FIRST

  constructor(database: Database, queue: JobQueue) {
    this.#database = database
    this.#queue = queue
  }

  tasks(): UpkeepTask[] {
    return [
      { name: 'webhook calls of gateways that are gone', everyMs: MINUTE_MS / 6, run: () => this.#queue.expire() },
      { name: 'count of webhook deliveries', everyMs: MINUTE_MS / 12, run: () => this.count() },
      { name: 'webhook deliveries without a job', everyMs: MINUTE_MS / 2, run: () => this.requeueLost() },
      { name: 'deleted webhooks', everyMs: MINUTE_MS, run: () => this.removeDeleted() },
      { name: 'secrets that have been replaced', everyMs: MINUTE_MS, run: () => this.forgetSecrets() },
    ]
  }

  /** Removes deliveries and queues of webhooks that were deleted. */
  async removeDeleted(): Promise<void> {
    // The queues are read first: a queue whose webhook is missing from the later list belongs to a deleted one, not to a new one.
    const queued = (await this.#queue.queues()).flatMap(queue => webhookOf(queue) ?? [])
    const living = new Set(await this.#webhooks())
    for (const id of queued.filter(id => !living.has(id))) {
      await this.#removeDeliveries(id)
      await this.#queue.close(queueOf(id))
    }
  }

  /**
   * Queues pending deliveries again that have no job: pg-boss drops jobs for a missing queue, and a failover or a restored
   * database may have lost the queue or its jobs. Checks some deliveries each time, and goes on from there the next time.
   */
  async requeueLost(): Promise<void> {
    for (let chunk = 0; chunk < CHUNKS_A_TIME && (await this.#requeueNext()); chunk++) {}
  }

  /** Answers whether more may follow. */
  async #requeueNext(): Promise<boolean> {
    const queued = await this.#database.read(
      ({ sql }) => sql<QueuedDelivery[]>`
        select d.* from webhooks w cross join lateral (
          select id, webhook_id as "webhookId", queued_at::text as "queuedAt" from webhook_deliveries
          where webhook_id = w.id and state = 'PENDING' and id > ${this.#lookedAt} and queued_at < now() - interval '1 minute'
          order by id limit ${CHUNK}
        ) d order by d.id limit ${CHUNK}`,
    )
    const queues = new Set(queued.map(({ webhookId }) => queueOf(webhookId)))
    const ids = queued.map(({ id }) => id)
    const held = ids.length > 0 ? await this.#queue.held([...queues], 'deliveryId', ids) : new Set()
    const lost = queued.filter(({ id }) => !held.has(id))
    // Reopened before the jobs are added, which would be dropped again. Reopened here, since other gateways believe that it
    // exists.
    for (const webhookId of new Set(lost.map(({ webhookId }) => webhookId))) await this.#queue.reopen(queueOf(webhookId))
    if (lost.length > 0) await this.#unqueue(lost)
    const mayFollow = queued.length === CHUNK
    this.#lookedAt = mayFollow ? (ids.at(-1) ?? FIRST) : FIRST
    return mayFollow
  }

  /** Clears replaced secrets that no longer sign. */
  async forgetSecrets(): Promise<void> {
    await this.#database.write(
      ({ sql }) => sql`
        update webhooks set previous_secret = null, previous_secret_until = null where id in (
          select id from webhooks where previous_secret_until <= now() order by id for update skip locked)
          and previous_secret_until <= now()`,
    )
  }

  async count(): Promise<void> {
    const rows = await this.#database.read(
      ({ sql }) => sql<{ pending: number; dead: number }[]>`
        select ${countOf(sql, 'PENDING')} as pending, ${countOf(sql, 'DEAD')} as dead`,
    )
    this.open = rows[0] ?? this.open
  }

  async #unqueue(deliveries: readonly QueuedDelivery[]): Promise<void> {
    await this.#database.writeBulk(
      ({ sql }) => sql`
        update webhook_deliveries set queued_at = null where id in (
          select d.id from webhook_deliveries d join json_to_recordset(${JSON.stringify(deliveries)}::text::json)
            as lost (id uuid, "queuedAt" timestamptz) on d.id = lost.id and d.queued_at = lost."queuedAt"
          where d.state = 'PENDING' order by d.id for update of d skip locked)`,
    )
  }

  async #webhooks(): Promise<string[]> {
    const rows = await this.#database.read(({ sql }) => sql<{ id: string }[]>`select id from webhooks`)
    return rows.map(({ id }) => id)
  }

  async #removeDeliveries(webhookId: string): Promise<void> {
    let removed: number
    do {
      const { count } = await this.#database.writeBulk(
        ({ sql }) => sql`
          delete from webhook_deliveries where id in (
            select id from webhook_deliveries where webhook_id = ${webhookId} order by id limit ${CHUNK})`,
      )
      removed = count
    } while (removed === CHUNK)
  }
}

/** Counts deliveries of existing webhooks. The lateral stops at the bound for each webhook, too. */
function countOf(sql: ISql, state: DeliveryState) {
  return sql`(
    select count(*)::int from (
      select from webhooks w cross join lateral (
        select from webhook_deliveries where webhook_id = w.id and state = ${state} limit ${MAX_COUNT}
      ) of_one limit ${MAX_COUNT}
    ) counted)`
}
