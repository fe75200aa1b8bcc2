import { eq, type SQL, sql } from 'drizzle-orm'
import { startOfMonth } from '../postgres/partitions.js'
import { type PredictionRow, predictionColumns } from '../predictions/predictionRow.js'
import { predictions } from '../tables/predictions.js'
import { createdAtBounds, createdAtTimes, joined, probabilityBounds } from './historyConditions.js'
import type { Range } from './historyQuery.js'
import { type HistoryList, isExact, type ListOrder, type Source } from './historySources.js'

export interface ScanSize {
  /** Rows that are wanted; when the source has keys, for each key. */
  readonly limit: number
  /** Rows of the index that may be read, at least 2. Ignored when the index finds exactly the wanted rows. */
  readonly readAtMost: number
}

/** The columns of a prediction, and those that conditions need besides. */
const COLUMNS = [...new Set([...Object.values(predictionColumns), predictions.defaulted])]
/** The columns of a prediction after a scan: Drizzle maps a column by itself only when it comes from its own table. */
export const SCANNED = Object.fromEntries(
  Object.entries(predictionColumns).map(([name, column]) => [name, sql`${column}`.mapWith(column)]),
) as { readonly [Name in keyof typeof predictionColumns]: SQL<PredictionRow[Name]> }
/** True for a row that marks where the reading ended before the end of the list; this row is not part of the list. */
export const IS_CUT = sql<boolean>`predictions.is_cut`
/** Which of several applicants a row belongs to. */
export const ORDINAL = sql<number>`driven.ordinal::int`

/**
 * An item for FROM, under the name of the table: the first rows of the list, as far as this source finds them without reading too
 * much. To be sorted by `orderOf`.
 *
 * Conditions that the index does not answer are outside the query that reads it, so that the limit of that query counts the rows
 * that are read. When the index has the order of the list, the reading ends as soon as there are enough rows; else all rows that
 * may be read are sorted.
 */
export function scan(list: HistoryList, source: Source, size: ScanSize): SQL {
  const { keys } = source
  if (!keys) return sql`(${rowsOf(list, source, size)}) as predictions`
  const readAtMost = Math.max(2, Math.floor(size.readAtMost / Math.max(1, keys.count)))
  return sql`${keys.list} cross join lateral (${rowsOf(list, source, { ...size, readAtMost })}) as predictions`
}

/** The order of the list; the row that ended the reading comes first when the rows before it may be the wrong ones. */
export function orderOf({ order }: HistoryList, source: Source, isCut: SQL = IS_CUT): SQL[] {
  return source.order === order.by ? sorted(order) : [sql`${isCut} desc`, ...sorted(order)]
}

function rowsOf(list: HistoryList, source: Source, { limit, readAtMost }: ScanSize): SQL {
  const columns = sql.join(COLUMNS, sql`, `)
  const readOrder = sql.join(sorted({ by: source.order, ascending: list.order.ascending }), sql`, `)
  const read = sql`from ${predictions} where ${joined(indexed(list, source))} order by ${readOrder}`
  if (isExact(list, source)) return sql`select ${columns}, false as is_cut ${read} limit ${limit}`
  const isCut = sql`(place = ${readAtMost}::bigint)`
  return sql`
    select ${columns}, ${isCut} as is_cut
    from (select ${columns}, row_number() over (order by ${readOrder}) as place ${read} limit ${readAtMost}) as predictions
    where ${isCut} or (${joined(residual(list, source)) ?? sql`true`})
    order by ${sql.join(orderOf(list, source, isCut), sql`, `)} limit ${limit}`
}

/** The conditions that the index answers. */
function indexed(list: HistoryList, source: Source): SQL[] {
  const { tenant, filter, conditions, hints, order } = list
  const ofTenant = eq(predictions.tenant, tenant)
  const cursors: Cursors = source.order === order.by ? list : {}
  if (source.order === 'id') {
    const known = [conditions, hints].flatMap(of => source.covers.flatMap(name => of.get(name) ?? []))
    const covered = source.keys ? [source.keys.condition] : known
    return [ofTenant, ...covered, ...createdAtBounds(filter.createdAt ?? {}), ...idBounds(cursors)]
  }
  // A cursor lies within the range and replaces its bound: with both, PostgreSQL 18 would start at the bound and read up to the
  // cursor.
  const { from, to } = filter.probability ?? {}
  const range = probabilityBounds({ ...(!cursors.above && { from }), ...(!cursors.below && { to }) })
  const months = createdAtBounds(wholeMonths(filter.createdAt ?? {}))
  const times = source.leavesOutByTime ? createdAtTimes(filter.createdAt ?? {}) : []
  return [ofTenant, ...range, ...positionBounds(cursors), ...months, ...times]
}

/** The conditions that are left to check on each row of the index. */
function residual(list: HistoryList, source: Source): SQL[] {
  const { conditions, filter, order } = list
  const times = source.leavesOutByTime ? [] : createdAtTimes(filter.createdAt ?? {})
  const others = [...conditions].filter(([name]) => !source.covers.includes(name)).map(([, condition]) => condition)
  const cursors: Cursors = source.order === order.by ? {} : list
  return [...others, ...times, ...(order.by === 'id' ? idBounds(cursors) : positionBounds(cursors))]
}

type Cursors = Pick<HistoryList, 'above' | 'below'>

function idBounds({ above, below }: Cursors): SQL[] {
  return [
    ...(above ? [sql`${predictions.id} > ${above.id}::uuid`] : []),
    ...(below ? [sql`${predictions.id} < ${below.id}::uuid`] : []),
  ]
}

function positionBounds({ above, below }: Cursors): SQL[] {
  const place = sql`(${predictions.probability}, ${predictions.id})`
  return [
    ...(above ? [sql`${place} > (${above.probability}::float8, ${above.id}::uuid)`] : []),
    ...(below ? [sql`${place} < (${below.probability}::float8, ${below.id}::uuid)`] : []),
  ]
}

/**
 * Bounds on the id that only skip whole partitions. The exact range is given by times instead. With exact bounds on the id, the
 * planner would take the primary key as soon as it expects few rows. Its statistics do not know the rows of a new day yet: it
 * would read and sort all of them.
 */
function wholeMonths({ from, to }: Range<Date>): Range<Date> {
  return { from: from && startOfMonth(from, 0), to: to && startOfMonth(new Date(to.getTime() - 1), 1) }
}

function sorted({ by, ascending }: ListOrder): SQL[] {
  const direction = sql.raw(ascending ? 'asc' : 'desc')
  const id = sql`${predictions.id} ${direction}`
  return by === 'id' ? [id] : [sql`${predictions.probability} ${direction}`, id]
}
