import { z } from 'zod'
import { LARGEST_PAGE } from '../../resolvers/paging.js'
import { PredictionOrderEnum } from '../../schema/scalars.js'
import { RISK_BANDS } from '../../scoring/bands.js'
import { PREDICTION_FIELDS, storedAnswer, toStored } from './answers.js'
import { booleanParameter, instant, integerParameter, numberParameter, repeatedParameter, storable } from './queryParameters.js'
import { found, type RestRoute } from './restRoute.js'

const STORED_FIELDS = `fragment S on Prediction { ...P outcome { defaulted observedAt recordedBy } }
${PREDICTION_FIELDS}`

const PREDICTION = `query RestPrediction($id: ID!) { prediction(id: $id) { ...S } }
${STORED_FIELDS}`

const PREDICTIONS = `query RestPredictions($first: Int, $after: String, $filter: PredictionFilter, $orderBy: PredictionOrder) {
  predictions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { ...S } pageInfo { hasNextPage endCursor }
  }
}
${STORED_FIELDS}`

const RECORD_OUTCOME = `mutation RestRecordOutcome($input: RecordOutcomeInput!) {
  recordOutcome(input: $input) { prediction { ...S } }
}
${STORED_FIELDS}`

const listQuery = z.strictObject({
  applicantId: storable.optional(),
  band: repeatedParameter(z.enum(RISK_BANDS)).describe('May be repeated.'),
  highRisk: booleanParameter().optional(),
  model: storable.optional(),
  modelVersion: storable.optional(),
  probabilityFrom: numberParameter().optional().describe('Inclusive.'),
  probabilityTo: numberParameter().optional().describe('Exclusive.'),
  createdFrom: instant.optional().describe('Inclusive.'),
  createdTo: instant.optional().describe('Exclusive.'),
  hasOutcome: booleanParameter().optional().describe('Whether an outcome of the loan is recorded.'),
  channel: storable.optional(),
  order: z.enum(PredictionOrderEnum).optional().describe('CREATED_AT_DESC by default.'),
  limit: integerParameter(1, LARGEST_PAGE).optional().describe('Rows of the page; 20 by default.'),
  cursor: storable.optional().describe('The `nextCursor` of the page before, asked with the same filter and order.'),
})

export const PREDICTION_ROUTES: readonly RestRoute[] = [
  {
    method: 'GET',
    path: '/api/predictions',
    operationId: 'listPredictions',
    tag: 'History',
    summary: 'List stored predictions',
    description:
      'A page of the predictions that the caller may see. All conditions must hold. Pages are stable while new rows arrive.',
    document: PREDICTIONS,
    query: listQuery,
    answer: z.looseObject({
      predictions: z.array(storedAnswer),
      nextCursor: z.string().nullable().describe('Null on the last page.'),
    }),
    codes: ['BAD_CURSOR', 'QUERY_TOO_BROAD'],
    variables: ({ query }) => {
      const { limit, cursor, order, band, probabilityFrom, probabilityTo, createdFrom, createdTo, ...same } = query
      return {
        ...(limit !== undefined && { first: limit }),
        ...(cursor !== undefined && { after: cursor }),
        ...(order !== undefined && { orderBy: order }),
        filter: {
          ...same,
          ...(band !== undefined && { bands: band }),
          ...range('probability', probabilityFrom, probabilityTo),
          ...range('createdAt', createdFrom, createdTo),
        },
      }
    },
    answerOf: ({ predictions: { nodes, pageInfo } }) => ({
      predictions: nodes.map(toStored),
      nextCursor: pageInfo.hasNextPage ? pageInfo.endCursor : null,
    }),
    pathOf: path => ['address', parameterOf(path)],
  },
  {
    method: 'GET',
    path: '/api/predictions/{id}',
    operationId: 'getPrediction',
    tag: 'History',
    summary: 'Get a stored prediction',
    description: 'One stored prediction that the caller may see.',
    document: PREDICTION,
    answer: storedAnswer,
    codes: ['NOT_FOUND'],
    variables: ({ parameter }) => ({ id: parameter }),
    answerOf: ({ prediction }) => toStored(found(prediction, 'NOT_FOUND', 'You may read no prediction with this id.')),
    pathOf: path => ['address', ...path],
  },
  {
    method: 'POST',
    path: '/api/predictions/{id}/outcome',
    operationId: 'recordOutcome',
    tag: 'History',
    summary: 'Record what happened with the loan',
    description:
      'Records what really happened with the loan. A later record replaces it; repeating the same one changes nothing.',
    document: RECORD_OUTCOME,
    body: z.strictObject({
      defaulted: z.boolean(),
      observedAt: instant.describe('Not before the prediction was made, and not in the future.'),
    }),
    answer: storedAnswer,
    codes: ['NOT_FOUND', 'OUTCOME_UNKNOWN'],
    variables: ({ parameter, body }) => ({ input: { predictionId: parameter, ...(body as Record<string, unknown>) } }),
    answerOf: ({ recordOutcome: { prediction } }) => toStored(prediction),
    pathOf: path => (path[0] === 'predictionId' ? ['address', 'id'] : ['body', ...path]),
  },
]

function range(name: string, from: unknown, to: unknown): Record<string, unknown> {
  return from === undefined && to === undefined ? {} : { [name]: { from: from ?? null, to: to ?? null } }
}

const PARAMETERS: Readonly<Record<string, string>> = {
  first: 'limit',
  after: 'cursor',
  orderBy: 'order',
  bands: 'band',
  createdAt: 'createdFrom',
  probability: 'probabilityFrom',
}

/** The parameter that became this place of the list's variables. */
function parameterOf(path: readonly string[]): string {
  const [range = '', end] = path.slice(-2)
  if (end === 'from' || end === 'to') return `${range === 'createdAt' ? 'created' : range}${end === 'from' ? 'From' : 'To'}`
  const name = path.at(-1) ?? ''
  return PARAMETERS[name] ?? name
}
