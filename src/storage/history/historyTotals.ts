import { eq, sql } from 'drizzle-orm'
import type { Visibility } from '../../auth/principal.js'
import type { Database } from '../postgres/database.js'
import { isTooSlow } from '../postgres/postgresErrors.js'
import { predictions } from '../tables/predictions.js'
import { conditionsOf, createdAtBounds, hintsOf, joined } from './historyConditions.js'
import type { HistoryFilter, HistoryTotal } from './historyQuery.js'
import { IS_CUT, ORDINAL, scan } from './historyScan.js'
import { type HistoryList, ofApplicants, type Source, sourcesToCount } from './historySources.js'

// The API promises exact totals up to here.
const COUNTED_EXACTLY = 10_000
// Reading this many takes some tens of milliseconds. Rows that are read and do not belong to the list count too.
const READ_AT_MOST = 50_000
const LARGEST_INT = 2 ** 31 - 1

/** How many visible predictions a filter leaves: counted, or estimated when counting would read too much. */
export async function countHistory(database: Database, visibility: Visibility, filter: HistoryFilter): Promise<HistoryTotal> {
  const list = listToCount(visibility, filter)
  const sources = sourcesToCount(list)
  const readAtMost = Math.floor(READ_AT_MOST / sources.length)
  let counted = 0
  for (const source of sources) {
    const inItsOrder = { ...list, order: { by: source.order, ascending: false } }
    const answer = await countIn(database, inItsOrder, source, readAtMost).catch(uncounted)
    // The next source would take as long.
    if (!answer) break
    const { count, isCut } = answer
    if (!isCut && count <= COUNTED_EXACTLY) return { count, exact: true }
    counted = Math.max(counted, count)
    if (!isCut) break
  }
  return estimate(database, list, counted)
}

/** The totals of several applicants, in their order. */
export async function countApplicants(
  database: Database,
  visibility: Visibility,
  applicantIds: readonly string[],
): Promise<HistoryTotal[]> {
  const [applicantId, another] = applicantIds
  if (applicantId !== undefined && another === undefined) return [await countHistory(database, visibility, { applicantId })]
  const list = listToCount(visibility, {})
  const totals = new Map<string, HistoryTotal>()
  for (let left = [...applicantIds]; left.length > 0; ) {
    // Each gets an equal part of the rows that may be read. Those that need more share them again, as long as others are done.
    const part = Math.min(COUNTED_EXACTLY + 1, Math.floor(READ_AT_MOST / left.length))
    const counts = await countEach(database, list, left, Math.max(2, part)).catch(uncounted)
    const open = left.filter((_, i) => counts?.[i]?.isCut ?? true)
    left.forEach((id, i) => void totals.set(id, { count: counts?.[i]?.count ?? 0, exact: counts?.[i]?.isCut === false }))
    if (part <= COUNTED_EXACTLY && open.length < left.length) {
      left = open
      continue
    }
    const estimates = open.map(async id =>
      totals.set(id, await estimate(database, listToCount(visibility, { applicantId: id }), totals.get(id)?.count ?? 0)),
    )
    await Promise.all(estimates)
    break
  }
  return applicantIds.map(id => totals.get(id) as HistoryTotal)
}

function listToCount(visibility: Visibility, filter: HistoryFilter): HistoryList {
  return {
    tenant: visibility.tenant,
    filter,
    conditions: conditionsOf(visibility, filter),
    hints: hintsOf(visibility, filter),
    order: { by: 'id', ascending: false },
  }
}

const COUNT = {
  count: sql<number>`(count(*) filter (where not ${IS_CUT}))::int`,
  isCut: sql<boolean>`coalesce(bool_or(${IS_CUT}), false)`,
}

interface Count {
  readonly count: number
  /** Whether the reading ended before the end of the list. */
  readonly isCut: boolean
}

async function countIn(database: Database, list: HistoryList, source: Source, readAtMost: number): Promise<Count> {
  const limit = COUNTED_EXACTLY + 1
  const [row] = await database.read(({ db }) =>
    db.select(COUNT).from(sql`(select is_cut from ${scan(list, source, { limit, readAtMost })} limit ${limit}) as predictions`),
  )
  return row as Count
}

/** Counts the rows of each applicant; the count is cut at `part` rows. */
async function countEach(database: Database, list: HistoryList, ids: readonly string[], part: number): Promise<Count[]> {
  const source = ofApplicants(ids.map(id => ({ id })))
  const rows = await database.read(({ db }) =>
    db
      .select({ ...COUNT, ordinal: ORDINAL })
      .from(scan(list, source, { limit: part, readAtMost: part }))
      .groupBy(ORDINAL),
  )
  const counts = new Map(rows.map(({ ordinal, ...count }) => [ordinal, count]))
  return ids.map((_, i) => {
    const { count, isCut } = counts.get(i + 1) ?? { count: 0, isCut: false }
    return { count, isCut: isCut || count >= part }
  })
}

/** Undefined for a statement that ran out of time, as on a slow disk with rows that nobody has read for long. */
function uncounted(error: unknown): undefined {
  if (!isTooSlow(error)) throw error
}

/** The planner's estimate, from its statistics; never less than the rows that were counted. */
async function estimate(database: Database, { tenant, filter, conditions }: HistoryList, counted: number): Promise<HistoryTotal> {
  const all = [eq(predictions.tenant, tenant), ...conditions.values(), ...createdAtBounds(filter.createdAt ?? {})]
  const [row] = await database.read(({ db }) =>
    db.execute<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
      sql`explain (format json) select from ${predictions} where ${joined(all)}`,
    ),
  )
  const expected = row?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0
  return { count: Math.min(Math.max(expected, counted), LARGEST_INT), exact: false }
}
