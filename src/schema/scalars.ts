import { GraphQLError, GraphQLID, GraphQLScalarType } from 'graphql'
import { registerEnumType } from 'type-graphql'
import { ROLES } from '../auth/principal.js'
import { RISK_BANDS } from '../scoring/bands.js'
import { DELIVERY_STATES } from '../webhooks/webhookOutbox.js'

export { GraphQLDateTime as DateTime, GraphQLJSON as Json } from 'graphql-scalars'

/** Like the ID of graphql-js, but refuses numbers that JSON has rounded: it would take one applicant for another. */
export const ID = new GraphQLScalarType<string>({
  ...GraphQLID.toConfig(),
  parseValue(value) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new GraphQLError('an ID is a text. Send numbers over 9007199254740991 as a text too.', {
        extensions: { code: 'BAD_USER_INPUT' },
      })
    }
    return GraphQLID.parseValue(value)
  },
})

/** Makes an enum from a list of names: TypeGraphQL registers enum objects, and the domain has lists. */
function enumOf<Name extends string>(names: readonly Name[], name: string, description: string): { [N in Name]: N } {
  const values = Object.fromEntries(names.map(value => [value, value])) as { [N in Name]: N }
  registerEnumType(values, { name, description })
  return values
}

export const RiskBandEnum = enumOf(
  RISK_BANDS,
  'RiskBand',
  'Risk group, from the lowest probability of default (T1) to the highest (T8). Half-open intervals; T8 includes 1.0; cut-offs set per model version.',
)
export const RoleEnum = enumOf(
  ROLES,
  'Role',
  'A bundle of permissions: SCORER (front-ends), MONITOR (alert clients), ANALYST (history), MODEL_MANAGER (model releases), ADMIN, TELEMETRY (metrics of the gateway).',
)
export const LocaleEnum = enumOf(['EN', 'ES'], 'Locale', 'Language of a text.')
export type Locale = keyof typeof LocaleEnum
export const FeatureKindEnum = enumOf(
  ['NUMBER', 'INTEGER', 'CATEGORY', 'BOOLEAN'],
  'FeatureKind',
  'The kind of value that a feature has.',
)
export const ModelStageEnum = enumOf(
  ['CANDIDATE', 'SHADOW', 'CHALLENGER', 'CHAMPION', 'RETIRED', 'REJECTED'],
  'ModelStage',
  'The stage of a model version. CANDIDATE: passed its checks and serves nobody. SHADOW: scores beside, and nobody gets its answers. CHALLENGER: answers a share of the applicants. CHAMPION: answers the others. RETIRED: taken out. REJECTED: failed its checks.',
)
export const ReleaseActionEnum = enumOf(
  ['PROMOTE', 'ROLLBACK', 'SPLIT', 'RETIRE'],
  'ReleaseAction',
  'What a change of a rollout does. PROMOTE: another champion. ROLLBACK: the champion before. SPLIT: shares for a challenger and a shadow. RETIRE: takes a version out.',
)
export const ReleaseChangeStateEnum = enumOf(
  ['PROPOSED', 'APPLIED', 'REFUSED'],
  'ReleaseChangeState',
  'APPLIED: made. PROPOSED: waits for a second principal. REFUSED: refused, or withdrawn by its proposer.',
)
export const ReleaseSourceEnum = enumOf(
  ['FOLDER', 'MLFLOW'],
  'ReleaseSource',
  'Where a version came from: the models folder, or the registry of MLflow.',
)
export const SummaryIntervalEnum = enumOf(
  ['HOUR', 'DAY', 'WEEK', 'MONTH'],
  'SummaryInterval',
  'Length of a bucket, by the local clock. An hour that the clock shows twice is two buckets.',
)
export type SummaryInterval = keyof typeof SummaryIntervalEnum
export const PredictionOrderEnum = enumOf(
  ['CREATED_AT_DESC', 'CREATED_AT_ASC', 'PROBABILITY_DESC', 'PROBABILITY_ASC'],
  'PredictionOrder',
  'Order of a list of predictions.',
)
export const WebhookDeliveryStateEnum = enumOf(
  DELIVERY_STATES,
  'WebhookDeliveryState',
  'The state of a delivery: PENDING is still tried, DEAD was given up.',
)
export type PredictionOrder = keyof typeof PredictionOrderEnum
