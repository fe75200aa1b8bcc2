import { Arg, Ctx, FieldResolver, Int, Query, Resolver, Root } from 'type-graphql'
import { visibilityOf } from '../auth/principal.js'
import { Cost } from '../schema/cost.js'
import { Total } from '../schema/paging.js'
import { Prediction, PredictionConnection, PredictionFilter } from '../schema/prediction.js'
import { ID, type PredictionOrder, PredictionOrderEnum } from '../schema/scalars.js'
import { requireFindable } from '../scoring/reference.js'
import type { HistoryFilter } from '../storage/history/historyQuery.js'
import type { HistoryStore } from '../storage/history/historyStore.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { RequestContext } from './context.js'
import { type CountableConnection, pageRequest, predictionsOf, rowsOfPage, toConnection } from './paging.js'

@Resolver()
export class HistoryResolver {
  readonly #history: HistoryStore

  constructor(history: HistoryStore) {
    this.#history = history
  }

  @Query(() => Prediction, {
    nullable: true,
    description:
      "One stored prediction; null where the caller's tenant has none with that id, exactly as for an id that never existed.",
  })
  prediction(@Arg('id', () => ID) id: string, @Ctx() { loaders }: RequestContext): Promise<Prediction | null> | null {
    const uuid = asUuid(id)
    return uuid === undefined ? null : loaders().predictionById.load(uuid)
  }

  @Query(() => Prediction, {
    nullable: true,
    description:
      "The prediction made with an idempotency key of the caller's own; null where there is none. So a client learns the result of a call whose answer it lost.",
  })
  async predictionByKey(
    @Arg('idempotencyKey', () => String) key: string,
    @Ctx() { principal, audit }: RequestContext,
  ): Promise<Prediction | null> {
    const found = await this.#history.findByKey({ tenant: principal.tenant, principal: principal.id }, key)
    if (!found) return null
    await audit.predictions('predictionByKey', [found])
    return found
  }

  @Cost({ rows: rowsOfPage })
  @Query(() => PredictionConnection, {
    description:
      'History as a Relay connection, keyset-paged and stable while new rows arrive. Page size 1..100, 20 by default. A cursor belongs to its filter and order; with others it is BAD_CURSOR. QUERY_TOO_BROAD where more than 50 rows would be read for each row of the page.',
  })
  async predictions(
    @Ctx() { principal, audit }: RequestContext,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
    @Arg('last', () => Int, { nullable: true }) last?: number | null,
    @Arg('before', () => String, { nullable: true }) before?: string | null,
    @Arg('filter', () => PredictionFilter, { nullable: true }) filter?: PredictionFilter | null,
    @Arg('orderBy', () => PredictionOrderEnum, { nullable: true, defaultValue: 'CREATED_AT_DESC' })
    order?: PredictionOrder | null,
  ): Promise<PredictionConnection> {
    const request = pageRequest({ first, after, last, before })
    const visibility = visibilityOf(principal)
    const wanted = toFilter(filter ?? {})
    for (const name of ['applicantId', 'channel'] as const) {
      if (wanted[name] !== undefined) requireFindable(wanted[name], 'filter', name)
    }
    const page = await this.#history.page(visibility, { ...request, filter: wanted, order: order ?? 'CREATED_AT_DESC' })
    await audit.list('predictions', wanted, predictionsOf(page))
    return toConnection(page, request, () => this.#history.total(visibility, wanted))
  }
}

@Resolver(() => PredictionConnection)
export class PredictionConnectionFields {
  // It takes a statement of its own, which may read 50,000 rows.
  @Cost({ weight: 10 })
  @FieldResolver(() => Total, {
    description:
      'Exact up to 10,000; beyond that, or where counting would read over 50,000 rows or takes too long, an estimate with `exact: false`. Computed only when asked for.',
  })
  total(@Root() { countAll }: CountableConnection): Promise<Total> {
    return countAll()
  }
}

/** Null means the same as absent. */
function toFilter(filter: PredictionFilter): HistoryFilter {
  const withoutNull = <T extends object>(value: T) =>
    Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined))
  const { probability, createdAt, ...rest } = filter
  return {
    ...withoutNull(rest),
    ...(probability && { probability: withoutNull(probability) }),
    ...(createdAt && { createdAt: withoutNull(createdAt) }),
  }
}
