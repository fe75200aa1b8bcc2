import { eq, gte, inArray, lt, type SQL, sql } from 'drizzle-orm'
import type { Visibility } from '../../auth/principal.js'
import { bandNumber, RISK_BANDS, type RiskBand } from '../../scoring/bands.js'
import { storable } from '../postgres/instants.js'
import { firstIdOf } from '../postgres/partitions.js'
import { predictions } from '../tables/predictions.js'
import type { HistoryFilter } from './historyQuery.js'

/** The conditions of a list, except the tenant, which always applies, and the time of creation, which is a range of ids. */
export type ConditionName = 'requestedBy' | Exclude<keyof HistoryFilter, 'createdAt'>
type TextName = 'requestedBy' | 'applicantId' | 'channel' | 'modelVersion'
export type Conditions = ReadonlyMap<ConditionName, SQL>

/** The conditions on each row of a list, by the name of their filter. */
export function conditionsOf({ requestedBy }: Visibility, filter: HistoryFilter): Conditions {
  const { applicantId, highRisk, model, modelVersion, probability, channel, hasOutcome } = filter
  const bands = bandNumbers(filter.bands)
  const conditions: Record<ConditionName, SQL | undefined> = {
    requestedBy: requestedBy === undefined ? undefined : eq(predictions.requestedBy, requestedBy),
    applicantId: applicantId === undefined ? undefined : eq(predictions.applicantId, applicantId),
    bands: bands === undefined ? undefined : inArray(predictions.band, bands),
    // Written as in the partial indexes: the planner would not recognise a comparison with a parameter as the same.
    highRisk: highRisk === undefined ? undefined : highRisk ? sql`${predictions.highRisk}` : sql`not ${predictions.highRisk}`,
    hasOutcome:
      hasOutcome === undefined ? undefined : sql`${predictions.defaulted} is ${sql.raw(hasOutcome ? 'not null' : 'null')}`,
    model: model === undefined ? undefined : eq(predictions.model, model),
    modelVersion: modelVersion === undefined ? undefined : eq(predictions.modelVersion, modelVersion),
    channel: channel === undefined ? undefined : eq(predictions.channel, channel),
    probability: joined([...(probability ? probabilityBounds(probability) : [])]),
  }
  return new Map(Object.entries(conditions).filter(([, condition]) => condition) as [ConditionName, SQL][])
}

/**
 * When the planner believes that nearly every row of a month matches, it takes the primary key, which is narrower than the index
 * of a text. It then reads the whole month when the rows lie at the other end. A second condition on the same column, whose value
 * the planner does not know, makes the right index the cheaper one. It excludes nothing.
 */
export function hintsOf({ requestedBy }: Visibility, { applicantId, channel, modelVersion }: HistoryFilter): Conditions {
  const given = Object.entries({ requestedBy, applicantId, channel, modelVersion }) as [TextName, string | undefined][]
  return new Map(
    given.flatMap(([name, value]) => (value === undefined ? [] : [[name, sql`${predictions[name]} >= (select ${value}::text)`]])),
  )
}

/** The numbers of the bands, each once, however often a caller repeats one; undefined when the filter excludes no band. */
export function bandNumbers(bands: readonly RiskBand[] | undefined): number[] | undefined {
  const numbers = [...new Set(bands)].map(bandNumber)
  return bands === undefined || numbers.length === RISK_BANDS.length ? undefined : numbers
}

export function probabilityBounds({ from, to }: NonNullable<HistoryFilter['probability']>): SQL[] {
  return [
    ...(from === undefined ? [] : [gte(predictions.probability, from)]),
    ...(to === undefined ? [] : [lt(predictions.probability, to)]),
  ]
}

/** Ids begin with the time of creation: bounds on the id mean the same, and skip whole partitions. */
export function createdAtBounds({ from, to }: NonNullable<HistoryFilter['createdAt']>): SQL[] {
  return [
    ...(from === undefined ? [] : [gte(predictions.id, firstIdOf(from))]),
    ...(to === undefined ? [] : [lt(predictions.id, firstIdOf(to))]),
  ]
}

/** The same range as conditions on the time itself, for the index by probability. */
export function createdAtTimes({ from, to }: NonNullable<HistoryFilter['createdAt']>): SQL[] {
  return [
    ...(from === undefined ? [] : [gte(predictions.createdAt, storable(from))]),
    ...(to === undefined ? [] : [lt(predictions.createdAt, storable(to))]),
  ]
}

/** All conditions as one; undefined for none. */
export function joined(conditions: readonly SQL[]): SQL | undefined {
  return conditions.length === 0 ? undefined : sql.join([...conditions], sql` and `)
}
