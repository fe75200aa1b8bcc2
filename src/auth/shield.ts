import { createRequire } from 'node:module'
import { type GraphQLFieldResolver, type GraphQLObjectType, type GraphQLSchema, isObjectType } from 'graphql'
import type * as Shield from 'graphql-shield'
import { AppError } from '../errors.js'
import type { Permission, Principal } from './principal.js'

// The ES module of graphql-shield does not load on Node 23 and later (it imports isUndefined from util); its CommonJS build does.
const { allow, deny, rule, shield } = createRequire(import.meta.url)('graphql-shield') as typeof Shield

/** Allows principals that have at least one of these permissions. */
const can = (...permissions: Permission[]) =>
  rule(`can ${permissions.join(' or ')}`)((_parent, _args, { principal }: { principal: Principal }) =>
    permissions.some(permission => principal.permissions.has(permission)),
  )

const scores = can('prediction:create')
const readsHistory = can('prediction:read', 'prediction:read-own')
const readsAlerts = can('alert:read')
const recordsOutcomes = can('outcome:record')
const managesWebhooks = can('webhook:manage')
const managesKeys = can('api-key:manage')
const judgesVersions = can('metric:read')
const managesReleases = can('release:manage')
/** Allows callers that may read this prediction in the history. They may have reached it another way, as through an alert. */
const readsItInHistory = rule('reads it in the history')(
  ({ requestedBy }: { requestedBy: string }, _args, { principal: { id, permissions } }: { principal: Principal }) =>
    permissions.has('prediction:read') || (permissions.has('prediction:read-own') && requestedBy === id),
)
/** For a type that only guarded fields lead to: they have allowed all that it holds. */
const ASKED_ABOVE = { '*': allow } as const

/** The whole policy. Each field of each type needs a rule, or the gateway does not start. */
const RULES = {
  Query: {
    '*': deny,
    viewer: allow,
    prediction: readsHistory,
    predictionByKey: readsHistory,
    predictions: readsHistory,
    applicant: readsHistory,
    alerts: readsAlerts,
    riskSummary: can('summary:read'),
    alertCursor: readsAlerts,
    models: allow,
    model: allow,
    webhooks: managesWebhooks,
    auditEntries: can('audit:read'),
    apiKeys: managesKeys,
    releaseChanges: judgesVersions,
    versionComparison: judgesVersions,
  },
  Mutation: {
    '*': deny,
    predictRisk: scores,
    predictRiskBatch: scores,
    acknowledgeAlert: can('alert:acknowledge'),
    recordOutcome: recordsOutcomes,
    recordOutcomes: recordsOutcomes,
    eraseApplicant: can('applicant:erase'),
    createWebhook: managesWebhooks,
    rotateWebhookSecret: managesWebhooks,
    deleteWebhook: managesWebhooks,
    redeliverWebhook: managesWebhooks,
    createApiKey: managesKeys,
    revokeApiKey: managesKeys,
    promoteModelVersion: managesReleases,
    rollbackModel: managesReleases,
    setTrafficSplit: managesReleases,
    retireModelVersion: managesReleases,
    approveReleaseChange: managesReleases,
    refuseReleaseChange: managesReleases,
    admitModelVersion: managesReleases,
  },
  Subscription: {
    '*': deny,
    highRiskScored: readsAlerts,
  },
  Prediction: {
    '*': deny,
    id: allow,
    applicantId: allow,
    applicant: allow,
    model: allow,
    version: allow,
    modelVersion: allow,
    probability: allow,
    band: allow,
    highRisk: allow,
    channel: allow,
    createdAt: allow,
    requestedBy: allow,
    features: can('feature:read'),
    outcome: readsItInHistory,
  },
  Applicant: { '*': deny, id: allow, latestPrediction: readsHistory, predictions: readsHistory },
  ModelVersion: {
    '*': deny,
    name: allow,
    version: allow,
    digest: allow,
    stage: allow,
    bands: allow,
    model: allow,
    createdAt: allow,
    metrics: judgesVersions,
    problems: judgesVersions,
    warnings: judgesVersions,
    report: judgesVersions,
    origin: judgesVersions,
  },
  Model: {
    '*': deny,
    name: allow,
    inputField: allow,
    contract: allow,
    versions: allow,
    champion: allow,
    rollout: judgesVersions,
  },
  AcknowledgeAlertPayload: ASKED_ABOVE,
  AdmissionReport: ASKED_ABOVE,
  AdmitModelVersionPayload: ASKED_ABOVE,
  ApiKey: ASKED_ABOVE,
  ApiKeyConnection: ASKED_ABOVE,
  ApiKeyEdge: ASKED_ABOVE,
  AuditEntry: ASKED_ABOVE,
  AuditEntryConnection: ASKED_ABOVE,
  AuditEntryEdge: ASKED_ABOVE,
  BandCutoff: ASKED_ABOVE,
  BandMigration: ASKED_ABOVE,
  BandShare: ASKED_ABOVE,
  CreateApiKeyPayload: ASKED_ABOVE,
  DeleteWebhookPayload: ASKED_ABOVE,
  DifferenceQuantile: ASKED_ABOVE,
  EraseApplicantPayload: ASKED_ABOVE,
  FeatureContract: ASKED_ABOVE,
  FeatureValue: ASKED_ABOVE,
  HighRiskAlert: ASKED_ABOVE,
  HighRiskAlertConnection: ASKED_ABOVE,
  HighRiskAlertEdge: ASKED_ABOVE,
  ModelMetric: ASKED_ABOVE,
  ModelQuality: ASKED_ABOVE,
  ModelVersionOrigin: ASKED_ABOVE,
  Outcome: ASKED_ABOVE,
  PageInfo: ASKED_ABOVE,
  PredictRiskBatchPayload: ASKED_ABOVE,
  PredictRiskBatchResult: ASKED_ABOVE,
  PredictRiskPayload: ASKED_ABOVE,
  PredictionConnection: ASKED_ABOVE,
  PredictionEdge: ASKED_ABOVE,
  RecordOutcomePayload: ASKED_ABOVE,
  RecordOutcomesPayload: ASKED_ABOVE,
  RecordOutcomesResult: ASKED_ABOVE,
  RedeliverWebhookPayload: ASKED_ABOVE,
  ReleaseChange: ASKED_ABOVE,
  ReleaseChangeConnection: ASKED_ABOVE,
  ReleaseChangeEdge: ASKED_ABOVE,
  ReleasePayload: ASKED_ABOVE,
  RevokeApiKeyPayload: ASKED_ABOVE,
  RiskBucket: ASKED_ABOVE,
  RiskSummary: ASKED_ABOVE,
  Rollout: ASKED_ABOVE,
  Total: ASKED_ABOVE,
  TrafficShare: ASKED_ABOVE,
  UserError: ASKED_ABOVE,
  VersionComparison: ASKED_ABOVE,
  VersionStage: ASKED_ABOVE,
  Viewer: ASKED_ABOVE,
  Webhook: ASKED_ABOVE,
  WebhookDelivery: ASKED_ABOVE,
  WebhookSecretPayload: ASKED_ABOVE,
  WebhookStatus: ASKED_ABOVE,
} as const

type Resolve = GraphQLFieldResolver<unknown, unknown>
type Guard = (resolve: Resolve, ...call: Parameters<Resolve>) => unknown

/**
 * Guards the schema with the rules, in place. Not with graphql-middleware's applyMiddleware: that wraps every field of every row,
 * which triples the time of a page, and leaves `subscribe` open to anyone.
 * @throws Error when rules and schema do not name the same types and fields
 */
export function applyPermissions(schema: GraphQLSchema): void {
  refuseGaps(schema)
  const guards = shield(RULES, {
    allowExternalErrors: true,
    fallbackRule: deny,
    fallbackError: () => new AppError('FORBIDDEN', 'Your roles do not allow this. Ask for a token with another role.'),
  }).generate(schema) as Record<string, Record<string, Guard>>
  for (const type of objectTypes(schema)) {
    for (const field of Object.values(type.getFields())) {
      if (ruleOf(type.name, field.name) === allow) continue
      const guard = guards[type.name]?.[field.name]
      if (!guard) throw new Error(`Nothing guards ${type.name}.${field.name}.`)
      const { resolve = parent => (parent as Record<string, unknown>)[field.name], subscribe } = field
      if (subscribe) field.subscribe = (...args) => guard(subscribe, ...args)
      else field.resolve = (...args) => guard(resolve, ...args)
    }
  }
}

/** Deny by default: a field without a rule stops the start of the gateway, rather than its callers later. */
function refuseGaps(schema: GraphQLSchema): void {
  const types = objectTypes(schema)
  const coordinates = types.flatMap(type => Object.keys(type.getFields()).map(field => [type.name, field] as const))
  const unruled = coordinates.filter(([type, field]) => (ruleOf(type, field) ?? deny) === deny)
  if (unruled.length > 0) throw new Error(`These fields have no rule: ${unruled.map(names => names.join('.')).join(', ')}.`)
  const unknown = Object.keys(RULES).filter(name => !types.some(type => type.name === name))
  if (unknown.length > 0) throw new Error(`There are rules for ${unknown.join(', ')}, which are not types of the schema.`)
}

function ruleOf(type: string, field: string): unknown {
  const rules = (RULES as Record<string, Record<string, unknown>>)[type]
  return rules?.[field] ?? rules?.['*']
}

function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return Object.values(schema.getTypeMap()).filter(
    type => isObjectType(type) && !type.name.startsWith('__'),
  ) as GraphQLObjectType[]
}
