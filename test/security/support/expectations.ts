import type { Permission, Role } from '../../../src/auth/principal.js'

// The fields that each caller may see. They come from the API contract (its table "who sees what" and the descriptions of the fields),
// and not from the rules of the gateway. A coordinate that is missing here fails the matrix.

export interface MatrixCaller {
  readonly name: string
  readonly roles: readonly Role[]
}

export const CALLERS: readonly MatrixCaller[] = [
  { name: 'ADMIN', roles: ['ADMIN'] },
  { name: 'SCORER', roles: ['SCORER'] },
  { name: 'MONITOR', roles: ['MONITOR'] },
  { name: 'ANALYST', roles: ['ANALYST'] },
  { name: 'MODEL_MANAGER', roles: ['MODEL_MANAGER'] },
  { name: 'TELEMETRY', roles: ['TELEMETRY'] },
  { name: 'a caller without roles', roles: [] },
  { name: 'SCORER and MONITOR', roles: ['SCORER', 'MONITOR'] },
  { name: 'MONITOR and MODEL_MANAGER', roles: ['MONITOR', 'MODEL_MANAGER'] },
]

/** "prediction(s), applicant, predictionByKey: own - x - x". The matrix asks for predictions of the caller itself: own is allowed. */
const HISTORY: readonly Role[] = ['SCORER', 'ANALYST', 'ADMIN']
/** "highRiskScored, alerts, alertCursor: - x x - x" */
const ALERTS: readonly Role[] = ['MONITOR', 'ANALYST', 'ADMIN']
/** "keys, webhooks, erasure, audit: - - - - x" */
const ADMINISTRATION: readonly Role[] = ['ADMIN']
/** "model releases (MODEL_MANAGER)": those who judge versions read them, and MODEL_MANAGER and ADMIN change them. */
const JUDGES: readonly Role[] = ['ANALYST', 'MODEL_MANAGER', 'ADMIN']
const MANAGERS: readonly Role[] = ['MODEL_MANAGER', 'ADMIN']
/** "viewer", and "models, model (contract, bands): any authenticated caller". */
const EVERYONE = 'everyone'

const WHO_SEES_WHAT: Readonly<Record<string, readonly Role[] | typeof EVERYONE>> = {
  'Query.viewer': EVERYONE,
  'Query.models': EVERYONE,
  'Query.model': EVERYONE,
  'Query.prediction': HISTORY,
  'Query.predictions': HISTORY,
  'Query.predictionByKey': HISTORY,
  'Query.applicant': HISTORY,
  // "Its predictions obey the same visibility as `predictions`", whatever leads to the applicant.
  'Applicant.latestPrediction': HISTORY,
  'Applicant.predictions': HISTORY,
  'Prediction.features': ['ANALYST', 'ADMIN'],
  // "For ANALYST and ADMIN, and for a SCORER of its own predictions."
  'Prediction.outcome': HISTORY,
  'Query.alerts': ALERTS,
  'Query.alertCursor': ALERTS,
  'Subscription.highRiskScored': ALERTS,
  'Query.riskSummary': ['ANALYST', 'MODEL_MANAGER', 'ADMIN'],
  'ModelVersion.metrics': JUDGES,
  'ModelVersion.problems': JUDGES,
  'ModelVersion.warnings': JUDGES,
  'ModelVersion.report': JUDGES,
  'ModelVersion.origin': JUDGES,
  'Model.rollout': JUDGES,
  'Query.releaseChanges': JUDGES,
  'Query.versionComparison': JUDGES,
  'Mutation.promoteModelVersion': MANAGERS,
  'Mutation.rollbackModel': MANAGERS,
  'Mutation.setTrafficSplit': MANAGERS,
  'Mutation.retireModelVersion': MANAGERS,
  'Mutation.approveReleaseChange': MANAGERS,
  'Mutation.refuseReleaseChange': MANAGERS,
  'Mutation.admitModelVersion': MANAGERS,
  'Mutation.predictRisk': ['SCORER', 'ADMIN'],
  'Mutation.predictRiskBatch': ['SCORER', 'ADMIN'],
  'Mutation.acknowledgeAlert': ['MONITOR', 'ADMIN'],
  'Mutation.recordOutcome': ['SCORER', 'ANALYST', 'ADMIN'],
  'Mutation.recordOutcomes': ['SCORER', 'ANALYST', 'ADMIN'],
  'Query.auditEntries': ADMINISTRATION,
  'Query.apiKeys': ADMINISTRATION,
  'Mutation.createApiKey': ADMINISTRATION,
  'Mutation.revokeApiKey': ADMINISTRATION,
  'Query.webhooks': ADMINISTRATION,
  'Mutation.createWebhook': ADMINISTRATION,
  'Mutation.rotateWebhookSecret': ADMINISTRATION,
  'Mutation.deleteWebhook': ADMINISTRATION,
  'Mutation.redeliverWebhook': ADMINISTRATION,
  'Mutation.eraseApplicant': ADMINISTRATION,
}

/** Fields that are visible to every caller who can reach their type: the table decides on the fields that lead there. */
const SHOWN_WITH_THEIR_TYPE: Readonly<Record<string, string>> = {
  AcknowledgeAlertPayload: 'alert',
  AdmissionReport:
    'bandShares championProblems championQuality checkedAt checkedBy comparedWith content goldenRows loadMs peakBytes populationStabilityIndex problems quality rowByRow rowMs signed warnings worstGoldenDeviation',
  AdmitModelVersionPayload: 'report',
  ApiKey: 'createdAt createdBy description expiresAt hint id lastUsedAt principal revokedAt revokedBy roles',
  ApiKeyConnection: 'edges nodes pageInfo',
  ApiKeyEdge: 'cursor node',
  Applicant: 'id',
  AuditEntry: 'action at details id principal sealed subject',
  AuditEntryConnection: 'edges nodes pageInfo',
  AuditEntryEdge: 'cursor node',
  BandCutoff: 'band from to',
  BandMigration: 'band counts',
  BandShare: 'band count share',
  CreateApiKeyPayload: 'apiKey key',
  DeleteWebhookPayload: 'webhookId',
  DifferenceQuantile: 'difference quantile',
  EraseApplicantPayload: 'complete erased',
  FeatureContract: 'categories description kind maximum minimum name required unit',
  FeatureValue: 'category missing name number',
  HighRiskAlert: 'acknowledgedAt acknowledgedBy cursor id prediction raisedAt',
  HighRiskAlertConnection: 'edges nodes pageInfo',
  HighRiskAlertEdge: 'cursor node',
  Model: 'champion contract inputField name versions',
  ModelMetric: 'dataset name value',
  ModelQuality: 'auc brier gini ks rows',
  ModelVersionOrigin: 'name runId runUrl source url version',
  ModelVersion: 'bands createdAt digest model name stage version',
  Outcome: 'defaulted observedAt recordedBy',
  PageInfo: 'endCursor hasNextPage hasPreviousPage startCursor',
  PredictRiskBatchPayload: 'results',
  PredictRiskBatchResult: 'errors index prediction replayed',
  PredictRiskPayload: 'prediction replayed',
  Prediction: 'applicant applicantId band channel createdAt highRisk id model modelVersion probability requestedBy version',
  PredictionConnection: 'edges nodes pageInfo total',
  PredictionEdge: 'cursor node',
  RecordOutcomePayload: 'prediction',
  RecordOutcomesPayload: 'results',
  RecordOutcomesResult: 'errors index prediction',
  RedeliverWebhookPayload: 'delivery',
  ReleaseChange:
    'action challenger decidedAt decidedBy decisionReason id model proposedAt proposedBy reason shadow state version',
  ReleaseChangeConnection: 'edges nodes pageInfo',
  ReleaseChangeEdge: 'cursor node',
  ReleasePayload: 'change rollout',
  RevokeApiKeyPayload: 'apiKey',
  RiskBucket: 'bands count meanProbability observedDefaultRate start',
  RiskSummary: 'bands buckets highRiskRate meanProbability observedDefaultRate total',
  Rollout: 'challenger champion earlier retired revision shadow stages',
  Total: 'count exact',
  TrafficShare: 'share version',
  UserError: 'code message path',
  VersionComparison:
    'against complete largestAbsoluteDifference matrix meanAbsoluteDifference meanDifference model quantiles rows version',
  VersionStage: 'stage version',
  Viewer: 'id permissions roles tenant',
  Webhook: 'bands createdAt createdBy deliveries description id model previousSecretUntil status url',
  WebhookDelivery: 'alertId attempts createdAt id lastAttemptAt lastError lastStatus state',
  WebhookSecretPayload: 'secret webhook',
  WebhookStatus: 'dead lagSeconds lastDeliveredAt lastFailedAt lastFailure pending',
}

export const EXPECTATIONS: ReadonlyMap<string, readonly Role[] | typeof EVERYONE> = new Map([
  ...Object.entries(WHO_SEES_WHAT),
  ...Object.entries(SHOWN_WITH_THEIR_TYPE).flatMap(([type, fields]) =>
    fields.split(' ').map(field => [`${type}.${field}`, EVERYONE] as const),
  ),
])

export function isAllowed(coordinate: string, { roles }: MatrixCaller): boolean {
  const expected = EXPECTATIONS.get(coordinate)
  if (expected === undefined) throw new Error(`Say in test/security/support/expectations.ts who sees ${coordinate}.`)
  return expected === EVERYONE || expected.some(role => roles.includes(role))
}

/** The `viewer.permissions` of each role. */
const PERMISSIONS_OF: Readonly<Record<Role, readonly Permission[]>> = {
  SCORER: ['prediction:create', 'prediction:read-own', 'outcome:record'],
  MONITOR: ['alert:read', 'alert:acknowledge', 'telemetry:read'],
  ANALYST: [
    'prediction:read',
    'feature:read',
    'outcome:record',
    'summary:read',
    'alert:read',
    'metric:read',
    'schema:introspect',
  ],
  MODEL_MANAGER: ['summary:read', 'metric:read', 'release:manage', 'schema:introspect'],
  ADMIN: [
    'prediction:create',
    'prediction:read',
    'prediction:read-own',
    'feature:read',
    'outcome:record',
    'summary:read',
    'alert:read',
    'alert:acknowledge',
    'metric:read',
    'release:manage',
    'webhook:manage',
    'applicant:erase',
    'api-key:manage',
    'audit:read',
    'schema:introspect',
    'telemetry:read',
  ],
  TELEMETRY: ['telemetry:read'],
}

export function expectedPermissions({ roles }: MatrixCaller): readonly string[] {
  return [...new Set(roles.flatMap(role => PERMISSIONS_OF[role]))].sort()
}
