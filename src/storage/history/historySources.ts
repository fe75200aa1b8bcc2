import { type Column, type SQL, sql } from 'drizzle-orm'
import { predictions } from '../tables/predictions.js'
import { bandNumbers, type ConditionName, type Conditions } from './historyConditions.js'
import type { Position } from './historyCursor.js'
import type { HistoryFilter } from './historyQuery.js'

export interface ListOrder {
  readonly by: 'id' | 'probability'
  readonly ascending: boolean
}

/** A list of predictions: its conditions, its order, and the positions between which it is read. */
export interface HistoryList {
  readonly tenant: string
  readonly filter: HistoryFilter
  /** The conditions of the filter and of the caller's visibility. */
  readonly conditions: Conditions
  /** Extra conditions for the planner, used when an index answers the condition of the same name. */
  readonly hints: Conditions
  readonly order: ListOrder
  readonly above?: Position | undefined
  readonly below?: Position | undefined
}

/** An index as a source of rows: it finds the rows that meet its conditions, in its order. */
export interface Source {
  readonly covers: readonly ConditionName[]
  readonly order: ListOrder['by']
  /** Whether the index leaves out the rows outside a range of time. By probability, it passes over their entries without a bound. */
  readonly leavesOutByTime: boolean
  /** When the index gives several lists: their keys, and the condition by which a row belongs to one of them. */
  readonly keys?: {
    /** The number of lists that share the rows that may be read. */
    readonly count: number
    readonly list: SQL
    readonly condition: SQL
  }
}

// Ordered by how few rows they usually leave: the first has the best chance to fill a page soon. The predictions that a principal
// requested itself come before conditions that others' predictions meet too.
const BY_ID: readonly (readonly ConditionName[])[] = [
  ['applicantId'],
  ['requestedBy'],
  ['channel'],
  ['highRisk'],
  ['bands'],
  ['model', 'modelVersion'],
  ['hasOutcome'],
]
const EVERYTHING: Source = { covers: [], order: 'id', leavesOutByTime: true }
const BY_PROBABILITY: Source = { covers: ['probability'], order: 'probability', leavesOutByTime: true }
/** Counts the rows outside a range of time as read. */
const BY_PROBABILITY_BOUNDED: Source = { ...BY_PROBABILITY, leavesOutByTime: false }
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
// The sources that are tried share the rows that may be read: with more of them, each could read too few.
const MOST_TRIED = 3
const SHORT_RANGE_MS = 86_400_000

/** The sources to try for a list: the one index that finds exactly its rows; else those that may find them, best first. */
export function sourcesOf(list: HistoryList): Source[] {
  const sources = list.order.by === 'id' ? unordered(list) : sourcesByProbability(list)
  const exact = sources.find(source => isExact(list, source))
  if (!exact) return sources.slice(0, MOST_TRIED)
  // A short range of time may hold few rows of a month that has many entries by probability: it is read by time first.
  return exact === BY_PROBABILITY && isShort(list.filter.createdAt) ? [EVERYTHING, exact] : [exact]
}

/** The sources to try when the order of the rows does not matter. */
export function sourcesToCount(list: HistoryList): Source[] {
  const sources = unordered(list)
  const exact = sources.find(source => coversAll(list, source))
  return exact ? [exact] : sources
}

/**
 * Whether every row that the source finds belongs to the list, and comes in the list's order. The index by probability also passes over
 * the other entries of its months, at 0.1 us each (docs/adr/0007).
 */
export function isExact(list: HistoryList, source: Source): boolean {
  return source.order === list.order.by && coversAll(list, source)
}

function coversAll({ conditions, filter }: HistoryList, { covers, leavesOutByTime }: Source): boolean {
  return (leavesOutByTime || !filter.createdAt) && [...conditions.keys()].every(name => covers.includes(name))
}

function isShort({ from, to }: NonNullable<HistoryFilter['createdAt']> = {}): boolean {
  const end = Math.min(to?.getTime() ?? Number.POSITIVE_INFINITY, Date.now())
  return from !== undefined && end - from.getTime() <= SHORT_RANGE_MS
}

function unordered(list: HistoryList): Source[] {
  const byId = sourcesById(list)
  return [...(byId.length > 0 ? byId : [EVERYTHING]), ...(list.conditions.has('probability') ? [BY_PROBABILITY_BOUNDED] : [])]
}

/** Several applicants at once, each with a list of its own: `readAtMost` is for each. `ORDINAL` numbers them, from 1. */
export function ofApplicants(applicants: readonly { readonly id: string; readonly below?: string | undefined }[]): Source {
  const ids = sql.param(applicants.map(({ id }) => id))
  const below = sql.param(applicants.map(({ below = LAST_ID }) => below))
  const list = sql`unnest(${ids}::text[], ${below}::uuid[]) with ordinality as driven(key, below, ordinal)`
  const condition = sql`${keyed(predictions.applicantId)} and ${predictions.id} < driven.below`
  return { covers: ['applicantId'], order: 'id', leavesOutByTime: true, keys: { count: 1, list, condition } }
}

function sourcesByProbability(list: HistoryList): Source[] {
  const byId = sourcesById(list)
  // Without a condition or a range of time, the list of everything is too long to be sorted.
  return [BY_PROBABILITY, ...(byId.length === 0 && list.filter.createdAt ? [EVERYTHING] : byId)]
}

function sourcesById({ conditions, filter }: HistoryList): Source[] {
  return (
    BY_ID.filter(covers => covers.every(name => conditions.has(name)))
      // Most rows are not high risk: there is no index of them.
      .filter(([name]) => name !== 'highRisk' || filter.highRisk)
      .map(covers => ({ ...EVERYTHING, covers, ...(covers[0] === 'bands' && { keys: bandKeys(filter) }) }))
  )
}

/** One list for each band: the index gives the rows of several bands in no common order. */
function bandKeys({ bands }: HistoryFilter): NonNullable<Source['keys']> {
  const numbers = bandNumbers(bands) ?? []
  return {
    count: numbers.length,
    list: sql`unnest(${sql.param(numbers)}::smallint[]) as driven(key)`,
    condition: keyed(predictions.band),
  }
}

/** The condition on a key, with the hint that `hintsOf` explains. */
function keyed(column: Column): SQL {
  return sql`${column} = driven.key and ${column} >= driven.key`
}
