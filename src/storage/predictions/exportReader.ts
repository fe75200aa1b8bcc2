import { setTimeout as sleep } from 'node:timers/promises'
import { and, asc, eq, gt, gte, lt, sql } from 'drizzle-orm'
import { AppError } from '../../errors.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { Prediction } from '../../scoring/prediction.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Connections, Database } from '../postgres/database.js'
import { firstIdOf } from '../postgres/partitions.js'
import { predictions } from '../tables/predictions.js'
import { predictionColumns, toPrediction } from './predictionRow.js'

// One page is one statement of some milliseconds, and all that is in memory at a time.
const PAGE_ROWS = 2_000
const ATTEMPTS = 20
const PAUSE_MS = 500

export interface ExportQuery {
  readonly tenant: string
  /** Inclusive. */
  readonly from: Date
  /** Exclusive. */
  readonly to: Date
  readonly withFeatures: boolean
}

export interface ExportedPrediction extends Prediction {
  /** Null without `withFeatures`, and after erasure. */
  readonly features: FeatureValues | null
  readonly defaulted: boolean | null
  readonly outcomeObservedAt: Date | null
  readonly outcomeRecordedBy: string | null
}

export interface GivenOut {
  readonly rows: number
  /** Rows of which an interruption may have let some out. */
  readonly rowsUnderWay: number
}

/** Reads a tenant's history in order of time, page by page: no transaction stays open in between. */
export class ExportReader {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async *pages({ tenant, from, to, withFeatures }: ExportQuery): AsyncGenerator<ExportedPrediction[]> {
    const ofTenant = and(eq(predictions.tenant, tenant), lt(predictions.id, firstIdOf(to)))
    let next = gte(predictions.id, firstIdOf(from))
    for (;;) {
      const rows = await this.#patiently(({ db }) =>
        db
          .select({
            ...predictionColumns,
            features: withFeatures ? predictions.features : sql<null>`null`,
            defaulted: predictions.defaulted,
            outcomeObservedAt: predictions.outcomeObservedAt,
            outcomeRecordedBy: predictions.outcomeRecordedBy,
          })
          .from(predictions)
          .where(and(ofTenant, next))
          .orderBy(asc(predictions.id))
          .limit(PAGE_ROWS),
      )
      const last = rows.at(-1)
      if (!last) return
      yield rows.map(({ features, defaulted, outcomeObservedAt, outcomeRecordedBy, ...columns }) => ({
        ...toPrediction(columns),
        features,
        defaulted,
        outcomeObservedAt,
        outcomeRecordedBy,
      }))
      if (rows.length < PAGE_ROWS) return
      next = gt(predictions.id, last.id)
    }
  }

  /** Waits for a database that is away, as during a restart: the next page begins where the last one ended. */
  async #patiently<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#database.read(work)
      } catch (error) {
        if (attempt === ATTEMPTS || !(error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE')) throw error
        await sleep(PAUSE_MS)
      }
    }
  }

  /** Audits an export: once as it begins, and once with the rows that it gave out. */
  async audit({ tenant, ...query }: ExportQuery, principal: string, format: string, given?: GivenOut): Promise<void> {
    const details = { from: query.from, to: query.to, format, features: query.withFeatures, ...given }
    const action = given ? 'history.exported' : 'history.export-begun'
    await this.#database.write(async ({ sql }) => {
      const entry = {
        rows: sql`(values (1)) one`,
        subject: sql`${tenant}`,
        details: sql`${JSON.stringify(details)}::text::jsonb`,
      }
      await auditInsert(sql, action, { tenant, principal }, entry)
    })
  }
}
