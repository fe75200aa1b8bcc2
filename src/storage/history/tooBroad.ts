import { AppError } from '../../errors.js'
import type { HistoryFilter, HistoryOrder } from './historyQuery.js'

// Each has an index. With several conditions, all but one are checked row by row.
const CONDITIONS = ['bands', 'channel', 'hasOutcome', 'highRisk', 'model', 'modelVersion', 'probability'] as const

/** QUERY_TOO_BROAD, with the changes that would help this filter. Names fields of the filter, and no values. */
export function tooBroad(filter: HistoryFilter, order: HistoryOrder): AppError {
  const given = CONDITIONS.filter(name => filter[name] !== undefined)
  const byProbability = order.startsWith('PROBABILITY')
  const ways = [
    filter.createdAt === undefined ? 'add a range of time' : 'choose a shorter range of time',
    ...(filter.applicantId === undefined ? ['add applicantId'] : []),
    ...(byProbability ? [filter.probability === undefined ? rangeOf(filter) : 'order by CREATED_AT'] : []),
    ...(!byProbability && filter.probability !== undefined ? ['order by PROBABILITY'] : []),
    ...(filter.model !== undefined && filter.modelVersion === undefined ? ['add modelVersion'] : []),
    ...(filter.modelVersion !== undefined && filter.model === undefined ? ['add model'] : []),
    ...(given.length > 1 ? [`leave out some of ${given.join(', ')}`] : []),
  ]
  const list = [ways.slice(0, -1).join(', '), ways.at(-1)].filter(Boolean).join(' or ')
  return new AppError('QUERY_TOO_BROAD', `This filter would read too many rows for the few that match. Narrow it: ${list}.`)
}

/** Bands are intervals of probability: with their range, the order begins where the bands begin. */
function rangeOf({ bands }: HistoryFilter): string {
  return bands === undefined
    ? 'add a range of probability'
    : 'add the probability range of these bands, from the bands of the model version'
}

/** For the list of predictions below an applicant, which takes no filter. */
export function applicantTooBroad(): AppError {
  return new AppError(
    'QUERY_TOO_BROAD',
    'This list would read too many rows for the few that match. Query predictions with this applicantId and a range of createdAt.',
  )
}
