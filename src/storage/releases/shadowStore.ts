import type { ShadowLog, ShadowScore } from '../../releases/shadow/shadowLog.js'
import { bandNumber } from '../../scoring/bands.js'
import type { Database } from '../postgres/database.js'

/** Shadow scores in Postgres. They hold no personal data: an erasure leaves them. */
export class ShadowStore implements ShadowLog {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Stores each score once, sorted: two gateways that stored the same in opposite order would deadlock. */
  async record(scores: readonly ShadowScore[]): Promise<void> {
    if (scores.length === 0) return
    const rows = scores.map(({ predictionId, band, createdAt, ...score }) => ({
      ...score,
      prediction_id: predictionId,
      band: bandNumber(band),
      created_at: createdAt,
    }))
    await this.#database.writeBulk(
      ({ sql }) => sql`
        insert into shadow_scores (prediction_id, tenant, model, version, probability, band, created_at)
        select prediction_id, tenant, model, version, probability, band, created_at
        from json_to_recordset(${JSON.stringify(rows)}::text::json) as row (prediction_id uuid, tenant text, model text, version text,
          probability double precision, band smallint, created_at timestamptz)
        order by tenant, model, version, prediction_id
        on conflict do nothing`,
    )
  }
}
