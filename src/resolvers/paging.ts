import { badInput, inputProblem } from '../errors.js'
import type { PageInfo } from '../schema/paging.js'
import type { PredictionConnection } from '../schema/prediction.js'
import type { Prediction } from '../scoring/prediction.js'
import type { HistoryPage, HistoryQuery, HistoryTotal } from '../storage/history/historyQuery.js'

const DEFAULT_PAGE = 20
export const LARGEST_PAGE = 100

export interface PageArguments {
  readonly first?: number | null | undefined
  readonly after?: string | null | undefined
  readonly last?: number | null | undefined
  readonly before?: string | null | undefined
}

/** The most rows that a page can have, for its cost. A larger size is refused later. */
export function rowsOfPage({ first, last }: PageArguments): number {
  return Math.min(Math.max(last ?? first ?? DEFAULT_PAGE, 0), LARGEST_PAGE)
}

export type PageRequest = Pick<HistoryQuery, 'size' | 'backward' | 'after' | 'before'>

/** Checks Relay's paging arguments. @throws AppError BAD_USER_INPUT for a size outside 1..100 or both `first` and `last` */
export function pageRequest({ first, after, last, before }: PageArguments): PageRequest {
  if (first != null && last != null) throw badInput(inputProblem('Ask for the first or the last rows, not for both.', 'first'))
  const argument = last == null ? 'first' : 'last'
  const size = last ?? first ?? DEFAULT_PAGE
  if (size < 1 || size > LARGEST_PAGE) {
    throw badInput(inputProblem(`${argument} must be between 1 and ${LARGEST_PAGE}.`, argument))
  }
  return { size, backward: last != null, after: after ?? undefined, before: before ?? undefined }
}

/** A connection that can count its whole list when it is asked to. */
export type CountableConnection = PredictionConnection & { readonly countAll: () => Promise<HistoryTotal> }

export function toConnection(
  page: HistoryPage,
  request: PageRequest,
  countAll: CountableConnection['countAll'],
): CountableConnection {
  return {
    countAll,
    edges: page.entries.map(({ cursor, prediction }) => ({ cursor, node: prediction })),
    nodes: predictionsOf(page),
    pageInfo: pageInfo(page, request),
  }
}

export function predictionsOf({ entries }: HistoryPage): Prediction[] {
  return entries.map(({ prediction }) => prediction)
}

interface Page {
  readonly entries: readonly { readonly cursor: string }[]
  /** Whether rows follow in the direction of reading. */
  readonly hasMore: boolean
  /** The cursor to continue from, where that is not the last row's. */
  readonly reached?: string
}

export function pageInfo({ entries, hasMore, reached }: Page, { backward, after, before }: PageRequest): PageInfo {
  const [first, last] = [entries[0]?.cursor ?? null, entries.at(-1)?.cursor ?? null]
  return {
    hasNextPage: backward ? before !== undefined : hasMore,
    hasPreviousPage: backward ? hasMore : after !== undefined,
    startCursor: backward ? (reached ?? first) : first,
    endCursor: backward ? last : (reached ?? last),
  }
}
