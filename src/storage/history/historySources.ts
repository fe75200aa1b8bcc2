import { type Column, type SQL, sql } from 'drizzle-orm'
import { predictions } from '../tables/predictions.js'
import { bandNumbers, type ConditionName, type Conditions } from './historyConditions.js'
import type { Position } from './historyCursor.js'
import type { HistoryFilter } from './historyQuery.js'

export interface ListOrder {
  readonly by: 'id' | 'probability'
  readonly ascending: boolean
}

/** A list of predictions: what belongs to it, its order, and between which places of it is read. */
export interface HistoryList {
  readonly tenant: string
  readonly filter: HistoryFilter
  /** Those of the filter and of what the caller may see. */
  readonly conditions: Conditions
  /** What the planner is told besides where an index answers a condition. */
  readonly hints: Conditions
  readonly order: ListOrder
  readonly above?: Position | undefined
  readonly below?: Position | undefined
}

/** An index as a source of rows: it finds those for which its conditions hold without looking at any other, in its order. */
export interface Source {
  readonly covers: readonly ConditionName[]
  readonly order: ListOrder['by']
  /** Where the index gives several lists: their keys, and what makes a row belong to one of them. */
  readonly keys?: {
    /** Among how many of them what may be read is shared. */
    readonly count: number
    readonly list: SQL
    readonly condition: SQL
  }
}

// By what they usually leave: the first has the best chance to fill a page soon. What a principal asked for itself comes before what
// others did too.
const BY_ID: readonly (readonly ConditionName[])[] = [
  ['applicantId'],
  ['requestedBy'],
  ['channel'],
  ['highRisk'],
  ['bands'],
  ['model', 'modelVersion'],
  ['hasOutcome'],
]
const EVERYTHING: Source = { covers: [], order: 'id' }
const BY_PROBABILITY: Source = { covers: ['probability'], order: 'probability' }
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
// What may be read is shared among the sources that are tried: more of them would each come to too little.
const MOST_TRIED = 3
const SHORT_RANGE_MS = 86_400_000

/**
 * Where to look for a list: the one index that finds exactly it; else those that may, best first. By probability a short range of time
 * may have fewer rows than a page, and then the index of its whole month is read: all rows of the range are tried before.
 */
export function sourcesOf(list: HistoryList): Source[] {
  const sources = list.order.by === 'id' ? sourcesToCount(list) : sourcesByProbability(list)
  const exact = sources.find(source => isExact(list, source))
  if (!exact) return sources.slice(0, MOST_TRIED)
  return exact === BY_PROBABILITY && isShort(list.filter.createdAt) ? [EVERYTHING, exact] : [exact]
}

/** A range without an end is one until now. */
function isShort({ from, to = new Date() }: NonNullable<HistoryFilter['createdAt']> = {}): boolean {
  return from !== undefined && to.getTime() - from.getTime() <= SHORT_RANGE_MS
}

/** Whether each row that the source gives is one of the list, and in its order. */
export function isExact({ conditions, order }: HistoryList, source: Source): boolean {
  return source.order === order.by && [...conditions.keys()].every(name => source.covers.includes(name))
}

/** Where to look for the rows of a list in any order. */
export function sourcesToCount(list: HistoryList): Source[] {
  const byId = sourcesById(list)
  return [...(byId.length > 0 ? byId : [EVERYTHING]), ...(list.conditions.has('probability') ? [BY_PROBABILITY] : [])]
}

/** Several applicants at once, each with a list of its own: `readAtMost` is for each. Rows say whose they are by `ORDINAL`, from 1. */
export function ofApplicants(applicants: readonly { readonly id: string; readonly below?: string | undefined }[]): Source {
  const ids = sql.param(applicants.map(({ id }) => id))
  const below = sql.param(applicants.map(({ below = LAST_ID }) => below))
  const list = sql`unnest(${ids}::text[], ${below}::uuid[]) with ordinality as driven(key, below, ordinal)`
  const condition = sql`${keyed(predictions.applicantId)} and ${predictions.id} < driven.below`
  return { covers: ['applicantId'], order: 'id', keys: { count: 1, list, condition } }
}

function sourcesByProbability(list: HistoryList): Source[] {
  const byId = sourcesById(list)
  // Without a condition or a range of time the list of everything never ends soon enough to be sorted.
  return [BY_PROBABILITY, ...(byId.length === 0 && list.filter.createdAt ? [EVERYTHING] : byId)]
}

function sourcesById({ conditions, filter }: HistoryList): Source[] {
  return (
    BY_ID.filter(covers => covers.every(name => conditions.has(name)))
      // Most rows are of no high risk: there is no index of them.
      .filter(([name]) => name !== 'highRisk' || filter.highRisk)
      .map(covers => ({ covers, order: 'id', ...(covers[0] === 'bands' && { keys: bandKeys(filter) }) }))
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

/** With the hint of `hintsOf`. */
function keyed(column: Column): SQL {
  return sql`${column} = driven.key and ${column} >= driven.key`
}
