import { desc } from 'drizzle-orm'
import type { Visibility } from '../../auth/principal.js'
import type { Database } from '../postgres/database.js'
import { type PredictionRow, toPrediction } from '../predictions/predictionRow.js'
import { predictions } from '../tables/predictions.js'
import { conditionsOf, hintsOf } from './historyConditions.js'
import { decodeHistoryCursor, encodeHistoryCursor } from './historyCursor.js'
import type { ApplicantQuery, HistoryFilter, HistoryOrder, HistoryPage, HistoryQuery } from './historyQuery.js'
import { IS_CUT, ORDINAL, orderOf, SCANNED, scan } from './historyScan.js'
import { type HistoryList, isExact, ofApplicants, type Source, sourcesOf } from './historySources.js'
import { applicantTooBroad, tooBroad } from './tooBroad.js'

/** A page may read this many rows for each row that it shows, unless an index finds exactly the wanted rows. */
const READ_FACTOR = 50
// Reading a source in the order of the list ends with the page. Any other source is read whole and sorted: it is short or of no
// use.
const ORDERED_SHARE = 3
const ROW = { ...SCANNED, isCut: IS_CUT }

type Row = PredictionRow & { readonly isCut: boolean }

/**
 * One page by keyset.
 * @throws AppError BAD_CURSOR for a cursor of another filter or order, QUERY_TOO_BROAD when no index finds the page soon enough
 */
export async function readPage(database: Database, visibility: Visibility, query: HistoryQuery): Promise<HistoryPage> {
  const list = listOf(visibility, query)
  const sources = sourcesOf(list)
  const limit = query.size + 1
  const share = (source: Source) => (isExact(list, source) ? 0 : source.order === list.order.by ? ORDERED_SHARE : 1)
  const shares = sources.reduce((sum, source) => sum + share(source), 0)
  for (const source of sources) {
    const readAtMost = Math.floor((READ_FACTOR * query.size * share(source)) / Math.max(1, shares))
    const rows: Row[] = await database.read(({ db }) =>
      db
        .select(ROW)
        .from(scan(list, source, { limit, readAtMost }))
        .orderBy(...orderOf(list, source))
        .limit(limit),
    )
    if (!rows.some(({ isCut }) => isCut)) return toPage(rows, query)
  }
  throw tooBroad(query.filter, query.order)
}

/**
 * A page for each of several applicants, newest first, in one statement for each page size. A single applicant is read like any
 * other list: the planner knows from its statistics that this applicant has very many predictions, but not that one of several
 * has.
 */
export async function readApplicantPages(
  database: Database,
  visibility: Visibility,
  queries: readonly ApplicantQuery[],
): Promise<(HistoryPage | Error)[]> {
  const answers = new Map<ApplicantQuery, HistoryPage | Error>()
  const bySize = new Map<number, ApplicantQuery[]>()
  for (const query of queries) {
    try {
      cursorOf(query)
      bySize.set(query.size, [...(bySize.get(query.size) ?? []), query])
    } catch (error) {
      answers.set(query, error as Error)
    }
  }
  const reading = [...bySize].map(async ([size, group]) => {
    const [query, another] = group
    if (query && !another) return void answers.set(query, await readApplicantPage(database, visibility, query))
    const rows = await readOfApplicants(database, visibility, size, group)
    group.forEach((query, i) => {
      const own = rows.get(i + 1) ?? []
      const page = { filter: { applicantId: query.applicantId }, size, ...NEWEST_FIRST }
      answers.set(query, own.some(({ isCut }) => isCut) ? applicantTooBroad() : toPage(own, page))
    })
  })
  await Promise.all(reading)
  return queries.map(query => answers.get(query) as HistoryPage | Error)
}

async function readApplicantPage(
  database: Database,
  visibility: Visibility,
  { applicantId, size, after }: ApplicantQuery,
): Promise<HistoryPage | Error> {
  const query: HistoryQuery = { filter: { applicantId }, size, after, ...NEWEST_FIRST }
  return readPage(database, visibility, query).catch((error: Error) => error)
}

/** The rows of each applicant, by its number among the queries, from 1. */
async function readOfApplicants(
  database: Database,
  visibility: Visibility,
  size: number,
  queries: readonly ApplicantQuery[],
): Promise<ReadonlyMap<number, Row[]>> {
  const source = ofApplicants(queries.map(query => ({ id: query.applicantId, below: cursorOf(query) })))
  const list = listOf(visibility, { filter: {}, ...NEWEST_FIRST })
  const rows = await database.read(({ db }) =>
    db
      .select({ ...ROW, ordinal: ORDINAL })
      .from(scan(list, source, { limit: size + 1, readAtMost: READ_FACTOR * size }))
      .orderBy(desc(predictions.id)),
  )
  const byOrdinal = new Map<number, Row[]>(queries.map((_, i) => [i + 1, []]))
  for (const { ordinal, ...row } of rows) byOrdinal.get(ordinal)?.push(row)
  return byOrdinal
}

const NEWEST_FIRST = { order: 'CREATED_AT_DESC', backward: false } as const

function cursorOf({ applicantId, after }: ApplicantQuery): string | undefined {
  return after === undefined ? undefined : decodeHistoryCursor(after, { applicantId }, NEWEST_FIRST.order).id
}

function listOf(visibility: Visibility, query: Omit<HistoryQuery, 'size'>): HistoryList {
  const { filter, order, backward } = query
  const isAscending = order.endsWith('_ASC')
  const positionIn = (cursor: string | undefined) =>
    cursor === undefined ? undefined : decodeHistoryCursor(cursor, filter, order)
  const [after, before] = [positionIn(query.after), positionIn(query.before)]
  return {
    tenant: visibility.tenant,
    filter,
    conditions: conditionsOf(visibility, filter),
    hints: hintsOf(visibility, filter),
    order: { by: order.startsWith('PROBABILITY') ? 'probability' : 'id', ascending: isAscending !== backward },
    above: isAscending ? after : before,
    below: isAscending ? before : after,
  }
}

function toPage(rows: readonly Row[], { filter, order, size, backward }: PageOf): HistoryPage {
  const found = rows.slice(0, size).map(({ isCut: _, ...row }) => toPrediction(row))
  if (backward) found.reverse()
  return {
    entries: found.map(prediction => ({ cursor: encodeHistoryCursor(prediction, filter, order), prediction })),
    hasMore: rows.length > size,
  }
}

interface PageOf {
  readonly filter: HistoryFilter
  readonly order: HistoryOrder
  readonly size: number
  readonly backward: boolean
}
