import { encodeAuditCursor } from '../../../src/storage/audit/auditCursor.js'
import { EntryIds } from '../../../src/storage/audit/entryIds.js'
import { encodeHistoryCursor } from '../../../src/storage/history/historyCursor.js'
import { application, HIGH_RISK } from '../../support/applicants.js'

/** The data of another tenant, or of another principal of the tenant. */
export interface Belongings {
  readonly predictionId: string
  readonly probability: number
  readonly alertCursor: string
  readonly webhookId: string
  readonly webhookUrl: string
  readonly deliveryId: string
  readonly apiKeyId: string
  readonly auditEntry: { readonly at: number; readonly id: string; readonly key: string }
}

/** A reference that a caller can send: one to foreign data, and one of the same form to data that never existed. */
export interface Reference {
  readonly query: string
  readonly variables: (reference: string) => Record<string, unknown>
  readonly foreign: string
  readonly absent: string
}

/** Inputs of type ID or String that do not refer to data of a tenant, with the reason. */
export const NAMES_NOTHING: Readonly<Record<string, string>> = {
  'Query.model.name': 'models belong to the gateway',
  'Query.riskSummary.model': 'models belong to the gateway',
  'AlertFilter.model': 'models belong to the gateway',
  'PredictionFilter.model': 'models belong to the gateway',
  'PredictionFilter.modelVersion': 'models belong to the gateway',
  'WebhookFilter.model': 'models belong to the gateway',
  'Query.riskSummary.timeZone': 'an IANA name',
  'AdmitModelVersionInput.model': 'models belong to the gateway',
  'AdmitModelVersionInput.version': 'models belong to the gateway',
  'ApproveReleaseChangeInput.changeId': 'changes of rollouts belong to the gateway',
  'PromoteModelVersionInput.model': 'models belong to the gateway',
  'PromoteModelVersionInput.reason': 'stored and read, never searched for',
  'PromoteModelVersionInput.version': 'models belong to the gateway',
  'Query.releaseChanges.after': 'changes of rollouts belong to the gateway',
  'Query.releaseChanges.model': 'models belong to the gateway',
  'Query.versionComparison.against': 'models belong to the gateway',
  'Query.versionComparison.model': 'models belong to the gateway',
  'Query.versionComparison.version': 'models belong to the gateway',
  'RefuseReleaseChangeInput.changeId': 'changes of rollouts belong to the gateway',
  'RefuseReleaseChangeInput.reason': 'stored and read, never searched for',
  'RetireModelVersionInput.model': 'models belong to the gateway',
  'RetireModelVersionInput.reason': 'stored and read, never searched for',
  'RetireModelVersionInput.version': 'models belong to the gateway',
  'RollbackModelInput.from': 'models belong to the gateway',
  'RollbackModelInput.model': 'models belong to the gateway',
  'RollbackModelInput.reason': 'stored and read, never searched for',
  'SetTrafficSplitInput.model': 'models belong to the gateway',
  'SetTrafficSplitInput.reason': 'stored and read, never searched for',
  'TrafficShareInput.version': 'models belong to the gateway',
  'AuditFilter.action': 'actions belong to the gateway',
  'CreateApiKeyInput.description': 'stored and read, never searched for',
  'CreateApiKeyInput.principal': 'the name of a client in the tenant of the creator',
  'CreateWebhookInput.description': 'stored and read, never searched for',
  'PredictRiskInput.channel': 'stored and read; searched for by PredictionFilter.channel',
  'ConsumerCreditFeaturesInput.home': 'a category of the model',
  'ConsumerCreditFeaturesInput.job': 'a category of the model',
}

const PREDICTION = `id applicantId probability band channel createdAt requestedBy features { name number category }
  outcome { defaulted observedAt recordedBy } applicant { id latestPrediction { id } predictions { total { count exact } nodes { id } } }`
const ALERT = `id cursor raisedAt acknowledgedAt acknowledgedBy prediction { ${PREDICTION} }`
const LIST = `total { count exact } edges { cursor node { ${PREDICTION} } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`

/** Every input of type ID or String that refers to data of a tenant. */
export function referencesTo({ predictionId, probability, ...foreign }: Belongings): Readonly<Record<string, Reference>> {
  // The same millisecond with another ending, so that no row is between the two.
  const absentId = predictionId.replace(/.{12}$/, tail => (BigInt(`0x${tail}`) ^ 1n).toString(16).padStart(12, '0'))
  const historyCursors = (filter: object) => ({
    foreign: encodeHistoryCursor({ id: predictionId, probability }, filter, 'CREATED_AT_DESC'),
    absent: encodeHistoryCursor({ id: absentId, probability }, filter, 'CREATED_AT_DESC'),
  })
  // A position after the alert within its transaction, which wrote no other alert.
  const seq = (BigInt(`0x${foreign.alertCursor.slice(-12)}`) + 1_000n).toString(16).padStart(12, '0')
  const alertCursors = { foreign: foreign.alertCursor, absent: foreign.alertCursor.slice(0, -12) + seq }
  const ids = { foreign: predictionId, absent: absentId }
  const applicants = { foreign: 'ref-1', absent: 'ref-9' }
  const observedAt = new Date().toISOString()
  const mutation = (type: string, field: string, payload: string) =>
    `mutation ($input: ${type}!) { ${field}(input: $input) { ${payload} } }`
  const audit = 'nodes { action subject principal } pageInfo { hasNextPage hasPreviousPage }'
  const noFilter = { action: undefined, principal: undefined, subjects: [], from: undefined, to: undefined }
  const { at, id: entryId, key } = foreign.auditEntry
  const entryIds = new EntryIds(key)
  const auditCursors = {
    foreign: encodeAuditCursor({ at, id: entryId }, noFilter, entryIds),
    // In the same millisecond.
    absent: encodeAuditCursor({ at, id: String(BigInt(entryId) + 1_000_000n) }, noFilter, entryIds),
  }
  const uuids = (id: string) => ({ foreign: id, absent: id.replace(/.$/, last => (last === '0' ? '1' : '0')) })

  return {
    'Query.prediction.id': {
      ...ids,
      query: `query ($id: ID!) { prediction(id: $id) { ${PREDICTION} } }`,
      variables: id => ({ id }),
    },
    'Query.predictionByKey.idempotencyKey': {
      query: `query ($key: String!) { predictionByKey(idempotencyKey: $key) { ${PREDICTION} } }`,
      variables: key => ({ key }),
      foreign: 'key-1',
      absent: 'key-9',
    },
    'Query.applicant.id': {
      ...applicants,
      query: `query ($id: ID!) { applicant(id: $id) { id latestPrediction { ${PREDICTION} } predictions { ${LIST} } } }`,
      variables: id => ({ id }),
    },
    'Query.predictions.after': {
      ...historyCursors({}),
      query: `query ($after: String) { predictions(after: $after) { ${LIST} } }`,
      variables: after => ({ after }),
    },
    'Query.predictions.before': {
      ...historyCursors({}),
      query: `query ($before: String) { predictions(last: 5, before: $before) { ${LIST} } }`,
      variables: before => ({ before }),
    },
    'Applicant.predictions.after': {
      ...historyCursors({ applicantId: 'both' }),
      query: `query ($after: String) { applicant(id: "both") { predictions(after: $after) { ${LIST} } } }`,
      variables: after => ({ after }),
    },
    'PredictionFilter.applicantId': {
      ...applicants,
      query: `query ($id: ID) { predictions(filter: { applicantId: $id }) { ${LIST} } }`,
      variables: id => ({ id }),
    },
    'PredictionFilter.channel': {
      query: `query ($channel: String) { predictions(filter: { channel: $channel }) { ${LIST} } }`,
      variables: channel => ({ channel }),
      foreign: 'branch-1',
      absent: 'branch-9',
    },
    'Query.alerts.after': {
      ...alertCursors,
      query: `query ($after: String) { alerts(after: $after) { nodes { ${ALERT} } pageInfo { hasNextPage endCursor } } }`,
      variables: after => ({ after }),
    },
    'Query.alerts.before': {
      ...alertCursors,
      query: `query ($before: String) { alerts(last: 5, before: $before) { nodes { ${ALERT} } pageInfo { hasPreviousPage startCursor } } }`,
      variables: before => ({ before }),
    },
    'Subscription.highRiskScored.after': {
      ...alertCursors,
      query: `subscription ($after: String) { highRiskScored(after: $after) { ${ALERT} } }`,
      variables: after => ({ after }),
    },
    'RecordOutcomeInput.predictionId': {
      ...ids,
      query: mutation('RecordOutcomeInput', 'recordOutcome', `prediction { ${PREDICTION} }`),
      variables: id => ({ input: { predictionId: id, defaulted: true, observedAt } }),
    },
    'AcknowledgeAlertInput.alertId': {
      ...ids,
      query: mutation('AcknowledgeAlertInput', 'acknowledgeAlert', `alert { ${ALERT} }`),
      variables: id => ({ input: { alertId: id } }),
    },
    'EraseApplicantInput.applicantId': {
      ...applicants,
      query: mutation('EraseApplicantInput', 'eraseApplicant', 'erased complete'),
      variables: id => ({ input: { applicantId: id } }),
    },
    'RotateWebhookSecretInput.webhookId': {
      ...uuids(foreign.webhookId),
      query: mutation('RotateWebhookSecretInput', 'rotateWebhookSecret', 'secret webhook { id url }'),
      variables: id => ({ input: { webhookId: id } }),
    },
    'DeleteWebhookInput.webhookId': {
      ...uuids(foreign.webhookId),
      query: mutation('DeleteWebhookInput', 'deleteWebhook', 'webhookId'),
      variables: id => ({ input: { webhookId: id } }),
    },
    'RedeliverWebhookInput.deliveryId': {
      ...uuids(foreign.deliveryId),
      query: mutation('RedeliverWebhookInput', 'redeliverWebhook', 'delivery { id alertId state }'),
      variables: id => ({ input: { deliveryId: id } }),
    },
    'Query.auditEntries.after': {
      ...auditCursors,
      query: `query ($after: String) { auditEntries(first: 3, after: $after) { ${audit} } }`,
      variables: after => ({ after }),
    },
    'Query.auditEntries.before': {
      ...auditCursors,
      query: `query ($before: String) { auditEntries(last: 3, before: $before) { ${audit} } }`,
      variables: before => ({ before }),
    },
    'AuditFilter.applicantId': {
      ...applicants,
      query: `query ($applicantId: ID) { auditEntries(filter: { applicantId: $applicantId }) { ${audit} } }`,
      variables: applicantId => ({ applicantId }),
    },
    'AuditFilter.subject': {
      ...ids,
      query: `query ($subject: String) { auditEntries(filter: { subject: $subject }) { ${audit} } }`,
      variables: subject => ({ subject }),
    },
    'AuditFilter.principal': {
      foreign: 'other-shop',
      absent: 'other-shep',
      query: `query ($principal: String) { auditEntries(filter: { principal: $principal }) { ${audit} } }`,
      variables: principal => ({ principal }),
    },
    'RevokeApiKeyInput.apiKeyId': {
      ...uuids(foreign.apiKeyId),
      query: mutation('RevokeApiKeyInput', 'revokeApiKey', 'apiKey { id principal revokedAt }'),
      variables: id => ({ input: { apiKeyId: id } }),
    },
    'Query.apiKeys.after': {
      ...uuids(foreign.apiKeyId),
      query: 'query ($after: String) { apiKeys(after: $after) { nodes { id principal } pageInfo { hasNextPage } } }',
      variables: after => ({ after }),
    },
    'CreateWebhookInput.url': {
      query: mutation('CreateWebhookInput', 'createWebhook', 'secret webhook { id createdBy deliveries { id } }'),
      variables: url => ({ input: { url } }),
      foreign: foreign.webhookUrl,
      absent: foreign.webhookUrl.replace(/.$/, 'X'),
    },
    'PredictRiskInput.idempotencyKey': {
      query: mutation('PredictRiskInput', 'predictRisk', 'replayed prediction { id applicantId requestedBy band }'),
      variables: idempotencyKey => ({ input: { ...application('ref-5'), idempotencyKey } }),
      foreign: 'key-2',
      absent: 'key-8',
    },
    'PredictRiskInput.applicantId': {
      query: mutation('PredictRiskInput', 'predictRisk', `replayed prediction { ${PREDICTION} }`),
      variables: id => ({ input: application(id, HIGH_RISK) }),
      foreign: 'ref-2',
      absent: 'ref-8',
    },
  }
}
