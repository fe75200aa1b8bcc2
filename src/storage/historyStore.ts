import { and, asc, desc, eq, gte, inArray, lt, type SQL, sql } from 'drizzle-orm'
import type { Visibility } from '../auth/principal.js'
import { RISK_BANDS } from '../scoring/bands.js'
import type { FeatureValues } from '../scoring/features.js'
import type { Prediction } from '../scoring/prediction.js'
import type { Database } from './database.js'
import { decodeHistoryCursor, encodeHistoryCursor } from './historyCursor.js'
import type { HistoryFilter, HistoryOrder, HistoryPage, HistoryQuery } from './historyQuery.js'
import { firstIdOf } from './partitions.js'
import { predictionColumns, toPrediction } from './predictionRow.js'
import { idempotencyKeys, predictions } from './tables.js'

/** Reads predictions. Whatever the caller may not see is as if it were not there. */
export class HistoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The predictions with these ids that are visible, in any order. */
  async findByIds(visibility: Visibility, ids: readonly string[]): Promise<Prediction[]> {
    return this.#select(and(visible(visibility), inArray(predictions.id, [...ids])))
  }

  async findByKey(visibility: Visibility & { principal: string }, key: string): Promise<Prediction | undefined> {
    const { tenant, principal } = visibility
    const owned = and(eq(idempotencyKeys.tenant, tenant), eq(idempotencyKeys.principal, principal), eq(idempotencyKeys.key, key))
    const rows = await this.#database.read(({ db }) =>
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
    const rows = await this.#database.read(({ db }) =>
      db
        .selectDistinctOn([predictions.applicantId], predictionColumns)
        .from(predictions)
        .where(and(visible(visibility), inArray(predictions.applicantId, [...applicantIds])))
        .orderBy(predictions.applicantId, desc(predictions.id)),
    )
    return rows.map(toPrediction)
  }

  /** The inputs of each prediction as they were scored; no entry where there are none, as after erasure. */
  async featuresOf(tenant: string, ids: readonly string[]): Promise<ReadonlyMap<string, FeatureValues>> {
    const rows = await this.#database.read(({ db }) =>
      db
        .select({ id: predictions.id, features: predictions.features })
        .from(predictions)
        .where(and(eq(predictions.tenant, tenant), inArray(predictions.id, [...ids]))),
    )
    return new Map(rows.flatMap(({ id, features }) => (features ? [[id, features] as const] : [])))
  }

  /** One page by keyset. BAD_CURSOR for a cursor of another filter or order. */
  async page(visibility: Visibility, query: HistoryQuery): Promise<HistoryPage> {
    const { filter, order, size, backward } = query
    const ascending = order.endsWith('_ASC') !== backward
    const bound = (cursor: string | undefined, isGreater: boolean) =>
      cursor === undefined ? undefined : beyond(decodeHistoryCursor(cursor, filter, order), order, isGreater)
    const where = and(
      visible(visibility),
      matching(filter),
      bound(query.after, order.endsWith('_ASC')),
      bound(query.before, order.endsWith('_DESC')),
    )
    const direction = ascending ? asc : desc
    const by = order.startsWith('PROBABILITY')
      ? [direction(predictions.probability), direction(predictions.id)]
      : [direction(predictions.id)]
    const found = await this.#select(where, by, size + 1)
    const page = found.slice(0, size)
    if (backward) page.reverse()
    return {
      entries: page.map(prediction => ({ cursor: encodeHistoryCursor(prediction, filter, order), prediction })),
      hasMore: found.length > size,
    }
  }

  async #select(where: SQL | undefined, order: SQL[] = [], limit?: number): Promise<Prediction[]> {
    const rows = await this.#database.read(({ db }) => {
      const query = db
        .select(predictionColumns)
        .from(predictions)
        .where(where)
        .orderBy(...order)
        .$dynamic()
      return limit === undefined ? query : query.limit(limit)
    })
    return rows.map(toPrediction)
  }
}

function visible({ tenant, requestedBy }: Visibility): SQL | undefined {
  return and(eq(predictions.tenant, tenant), requestedBy === undefined ? undefined : eq(predictions.requestedBy, requestedBy))
}

function matching({ applicantId, bands, highRisk, model, modelVersion, probability, createdAt, channel }: HistoryFilter) {
  return and(
    applicantId === undefined ? undefined : eq(predictions.applicantId, applicantId),
    bands === undefined
      ? undefined
      : inArray(
          predictions.band,
          // Each once: a statement takes 65,534 parameters, and a caller may repeat a band as often as the body allows.
          [...new Set(bands)].map(band => RISK_BANDS.indexOf(band) + 1),
        ),
    highRisk === undefined ? undefined : eq(predictions.highRisk, highRisk),
    model === undefined ? undefined : eq(predictions.model, model),
    modelVersion === undefined ? undefined : eq(predictions.modelVersion, modelVersion),
    probability?.from === undefined ? undefined : gte(predictions.probability, probability.from),
    probability?.to === undefined ? undefined : lt(predictions.probability, probability.to),
    // Ids begin with the time of creation: a bound on the id says the same, and leaves out whole partitions.
    createdAt?.from === undefined ? undefined : gte(predictions.id, firstIdOf(createdAt.from)),
    createdAt?.to === undefined ? undefined : lt(predictions.id, firstIdOf(createdAt.to)),
    channel === undefined ? undefined : eq(predictions.channel, channel),
  )
}

function beyond({ id, probability }: { id: string; probability: number }, order: HistoryOrder, isGreater: boolean): SQL {
  const operator = sql.raw(isGreater ? '>' : '<')
  if (order.startsWith('CREATED_AT')) return sql`${predictions.id} ${operator} ${id}::uuid`
  return sql`(${predictions.probability}, ${predictions.id}) ${operator} (${probability}::float8, ${id}::uuid)`
}
