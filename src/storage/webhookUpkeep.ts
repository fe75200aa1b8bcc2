import type { Database } from './database.js'
import type { JobQueue } from './jobQueue.js'
import type { UpkeepTask } from './upkeep.js'
import { queueOf, webhookOf } from './webhookQueues.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK = 1_000
const MINUTE_MS = 60_000

/** Counts deliveries, and removes in chunks what webhooks leave behind. */
export class WebhookUpkeep {
  readonly #database: Database
  readonly #queue: JobQueue
  /** Deliveries of all webhooks that are still tried, and those that were given up, as last counted. */
  open = { pending: 0, dead: 0 }

  constructor(database: Database, queue: JobQueue) {
    this.#database = database
    this.#queue = queue
  }

  tasks(): UpkeepTask[] {
    return [
      { name: 'webhook calls of gateways that are gone', everyMs: MINUTE_MS / 6, run: () => this.#queue.expire() },
      { name: 'count of webhook deliveries', everyMs: MINUTE_MS / 12, run: () => this.count() },
      { name: 'deleted webhooks', everyMs: MINUTE_MS, run: () => this.removeDeleted() },
      { name: 'secrets that have been replaced', everyMs: MINUTE_MS, run: () => this.forgetSecrets() },
    ]
  }

  /** Removes deliveries and queues of webhooks that were deleted. */
  async removeDeleted(): Promise<void> {
    // The queues first: one that has no webhook afterwards had one before.
    const queued = (await this.#queue.queues()).flatMap(queue => webhookOf(queue) ?? [])
    const living = new Set(await this.#webhooks())
    for (const id of queued.filter(id => !living.has(id))) {
      await this.#removeDeliveries(id)
      await this.#queue.close(queueOf(id))
    }
  }

  /** Clears the secrets before a rotation that sign nothing any more. */
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
        select coalesce(sum(counts.pending), 0)::int as pending, coalesce(sum(counts.dead), 0)::int as dead
        from webhooks w cross join lateral (
          select count(*) filter (where state = 'PENDING') as pending, count(*) filter (where state = 'DEAD') as dead
          from webhook_deliveries where webhook_id = w.id and state in ('PENDING', 'DEAD')
        ) counts`,
    )
    this.open = rows[0] ?? this.open
  }

  async #webhooks(): Promise<string[]> {
    const rows = await this.#database.read(({ sql }) => sql<{ id: string }[]>`select id from webhooks`)
    return rows.map(({ id }) => id)
  }

  async #removeDeliveries(webhookId: string): Promise<void> {
    let removed: number
    do {
      const { count } = await this.#database.write(
        ({ sql }) => sql`
          delete from webhook_deliveries where id in (
            select id from webhook_deliveries where webhook_id = ${webhookId} order by id limit ${CHUNK})`,
      )
      removed = count
    } while (removed === CHUNK)
  }
}
