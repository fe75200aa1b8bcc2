import { and, desc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Visibility } from '../../auth/principal.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { Prediction } from '../../scoring/prediction.js'
import type { Database } from '../postgres/database.js'
import { predictionColumns, toPrediction } from '../predictions/predictionRow.js'
import { idempotencyKeys, predictions } from '../tables/predictions.js'
import { readApplicantPages, readPage } from './historyPages.js'
import type { ApplicantQuery, HistoryFilter, HistoryPage, HistoryQuery, HistoryTotal } from './historyQuery.js'
import { SCANNED } from './historyScan.js'
import { countApplicants, countHistory } from './historyTotals.js'

/** Reads predictions. Data that the caller may not see looks like missing data. */
export class HistoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The predictions with these ids that are visible, in any order. */
  async findByIds(visibility: Visibility, ids: readonly string[]): Promise<Prediction[]> {
    const rows = await this.#database.read(({ db }) =>
      db
        .select(predictionColumns)
        .from(predictions)
        .where(and(visible(visibility), inArray(predictions.id, [...ids]))),
    )
    return rows.map(toPrediction)
  }

  /** The prediction of a principal's idempotency key: what a scorer asks when the outcome of its call is unknown. */
  async findByKey(visibility: Visibility & { principal: string }, key: string): Promise<Prediction | undefined> {
    const { tenant, principal } = visibility
    const owned = and(eq(idempotencyKeys.tenant, tenant), eq(idempotencyKeys.principal, principal), eq(idempotencyKeys.key, key))
    const rows = await this.#database.readAhead(({ db }) =>
      db
        .select(predictionColumns)
        .from(idempotencyKeys)
        .innerJoin(
          predictions,
          and(eq(predictions.tenant, idempotencyKeys.tenant), eq(predictions.id, idempotencyKeys.predictionId)),
        )
        .where(owned),
    )
    return rows.map(toPrediction)[0]
  }

  /** The newest visible prediction of each applicant that has one. */
  async latestOf(visibility: Visibility, applicantIds: readonly string[]): Promise<Prediction[]> {
    // One row of each applicant from the index: a read of the newest must not wait for a thousand older ones.
    const rows = await this.#database.read(({ db }) => {
      const newest = db
        .select(predictionColumns)
        .from(predictions)
        .where(and(visible(visibility), sql`${predictions.applicantId} = driven.key`))
        .orderBy(desc(predictions.id))
        .limit(1)
      const applicants = sql`unnest(${sql.param(applicantIds)}::text[]) as driven(key)`
      return db.select(SCANNED).from(sql`${applicants} cross join lateral (${newest}) as predictions`)
    })
    return rows.map(toPrediction)
  }

  /** The inputs of each prediction as they were scored; no entry when there are none, as after erasure. */
  async featuresOf(tenant: string, ids: readonly string[]): Promise<ReadonlyMap<string, FeatureValues>> {
    const rows = await this.#database.read(({ db }) =>
      db
        .select({ id: predictions.id, features: predictions.features })
        .from(predictions)
        .where(and(eq(predictions.tenant, tenant), inArray(predictions.id, [...ids]))),
    )
    return new Map(rows.flatMap(({ id, features }) => (features ? [[id, features] as const] : [])))
  }

  /**
   * One page by keyset.
   * @throws AppError BAD_CURSOR for a cursor of another filter or order, QUERY_TOO_BROAD when no index finds the page soon enough
   */
  page(visibility: Visibility, query: HistoryQuery): Promise<HistoryPage> {
    return readPage(this.#database, visibility, query)
  }

  /** A page for each applicant, in their order; an AppError instead of a page that cannot be given. */
  pagesOfApplicants(visibility: Visibility, queries: readonly ApplicantQuery[]): Promise<(HistoryPage | Error)[]> {
    return readApplicantPages(this.#database, visibility, queries)
  }

  total(visibility: Visibility, filter: HistoryFilter): Promise<HistoryTotal> {
    return countHistory(this.#database, visibility, filter)
  }

  /** The total of each applicant, in their order. */
  totalsOfApplicants(visibility: Visibility, applicantIds: readonly string[]): Promise<HistoryTotal[]> {
    return countApplicants(this.#database, visibility, applicantIds)
  }
}

function visible({ tenant, requestedBy }: Visibility): SQL | undefined {
  return and(eq(predictions.tenant, tenant), requestedBy === undefined ? undefined : eq(predictions.requestedBy, requestedBy))
}
