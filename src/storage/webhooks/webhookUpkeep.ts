import type { ISql } from 'postgres'
import type { DeliveryState } from '../../webhooks/webhookOutbox.js'
import { inChunks } from '../postgres/chunks.js'
import type { Database } from '../postgres/database.js'
import type { UpkeepTask } from '../postgres/upkeep.js'
import { MAX_COUNT } from './webhookStore.js'

// A statement stays far below 100 ms: the alert feed cannot pass a transaction that is still open.
const CHUNK = 1_000
const MINUTE_MS = 60_000

/** Counts deliveries, and removes in chunks the deliveries and secrets that are of no use. */
export class WebhookUpkeep {
  readonly #database: Database
  /** Deliveries of all webhooks that are still tried, and those that were given up, as last counted; each up to 10,000. */
  open = { pending: 0, dead: 0 }

  constructor(database: Database) {
    this.#database = database
  }

  tasks(): UpkeepTask[] {
    return [
      { name: 'count of webhook deliveries', everyMs: MINUTE_MS / 12, run: () => this.count() },
      { name: 'deleted webhooks', everyMs: MINUTE_MS, run: signal => this.removeDeleted(signal) },
      { name: 'secrets that have been replaced', everyMs: MINUTE_MS, run: () => this.forgetSecrets() },
    ]
  }

  /** Removes the deliveries of webhooks that were deleted. */
  async removeDeleted(signal?: AbortSignal): Promise<void> {
    for (const webhookId of await this.#deleted()) {
      await inChunks(CHUNK, () => this.#removeDeliveries(webhookId), signal)
    }
  }

  /** Removes replaced secrets that no longer sign. */
  async forgetSecrets(): Promise<void> {
    await this.#database.write(({ sql }) => sql`delete from webhook_previous_secrets where until <= now()`)
  }

  async count(): Promise<void> {
    const rows = await this.#database.read(
      ({ sql }) => sql<{ pending: number; dead: number }[]>`
        select ${countOf(sql, 'PENDING')} as pending, ${countOf(sql, 'DEAD')} as dead`,
    )
    this.open = rows[0] ?? this.open
  }

  /** Webhooks that have deliveries but are no longer there. Reads one delivery of each webhook, however many there are. */
  async #deleted(): Promise<string[]> {
    const rows = await this.#database.read(
      ({ sql }) => sql<{ id: string }[]>`
        with recursive found as (
          (select webhook_id as id from webhook_deliveries order by webhook_id limit 1)
          union all
          select (select webhook_id from webhook_deliveries where webhook_id > found.id order by webhook_id limit 1)
          from found where found.id is not null
        )
        select id from found where id is not null and not exists (select from webhooks where webhooks.id = found.id)`,
    )
    return rows.map(({ id }) => id)
  }

  async #removeDeliveries(webhookId: string): Promise<number> {
    const { count } = await this.#database.writeBulk(
      ({ sql }) => sql`
        delete from webhook_deliveries where id in (
          select id from webhook_deliveries where webhook_id = ${webhookId} order by id limit ${CHUNK})`,
    )
    return count
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
