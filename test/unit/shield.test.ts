import {
  buildSchema,
  type GraphQLObjectType,
  type GraphQLSchema,
  graphql,
  isNonNullType,
  isObjectType,
  parse,
  subscribe,
} from 'graphql'
import { beforeAll, describe, expect, it } from 'vitest'
import { ROLES, type Role } from '../../src/auth/principal.js'
import { applyPermissions, RULES } from '../../src/auth/shield.js'
import { AppError } from '../../src/errors.js'
import { HIGH_RISK } from '../support/applicants.js'
import { createGatewaySchema, type GatewaySchema, STORED } from './support/gatewaySchema.js'

/** These hold only what the field that leads to them already allowed. */
const HOLD_WHAT_PARENTS_ALLOWED = [
  'AcknowledgeAlertPayload',
  'AuditEntry',
  'AuditEntryConnection',
  'AuditEntryEdge',
  'ApiKey',
  'ApiKeyConnection',
  'ApiKeyEdge',
  'BandCutoff',
  'BandShare',
  'CreateApiKeyPayload',
  'DeleteWebhookPayload',
  'EraseApplicantPayload',
  'FeatureContract',
  'FeatureValue',
  'HighRiskAlert',
  'HighRiskAlertConnection',
  'HighRiskAlertEdge',
  'Model',
  'ModelMetric',
  'Outcome',
  'PageInfo',
  'PredictRiskBatchPayload',
  'PredictRiskBatchResult',
  'PredictRiskPayload',
  'PredictionConnection',
  'PredictionEdge',
  'RecordOutcomePayload',
  'RecordOutcomesPayload',
  'RecordOutcomesResult',
  'RedeliverWebhookPayload',
  'RevokeApiKeyPayload',
  'RiskBucket',
  'RiskSummary',
  'Total',
  'UserError',
  'Viewer',
  'Webhook',
  'WebhookDelivery',
  'WebhookSecretPayload',
  'WebhookStatus',
]

const GUARDED = Object.keys(RULES) as (keyof typeof RULES)[]

function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  return Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith('__'))
}

const INPUT = '{ applicantId: "a-1", features: { consumerCredit: $features } }'
const OUTCOME = `{ predictionId: "${STORED.id}", defaulted: true, observedAt: "2026-05-05T00:00:00Z" }`
const everyone: Role[] = [...ROLES]
const RECORDERS: Role[] = ['SCORER', 'ANALYST', 'ADMIN']

/** The role table of the API contract, for what there is: an operation, the place of the guarded field, and who may. */
const TABLE: [what: string, operation: string, path: (string | number)[], allowed: Role[]][] = [
  ['viewer', '{ viewer { id } }', ['viewer'], everyone],
  [
    'predictRisk',
    `mutation ($features: ConsumerCreditFeaturesInput!) { predictRisk(input: ${INPUT}) { replayed } }`,
    ['predictRisk'],
    ['SCORER', 'ADMIN'],
  ],
  [
    'predictRiskBatch',
    `mutation ($features: ConsumerCreditFeaturesInput!) { predictRiskBatch(input: { items: [${INPUT}] }) { results { index } } }`,
    ['predictRiskBatch'],
    ['SCORER', 'ADMIN'],
  ],
  ['eraseApplicant', 'mutation { eraseApplicant(input: { applicantId: "a-1" }) { erased } }', ['eraseApplicant'], ['ADMIN']],
  ['prediction', `{ prediction(id: "${STORED.id}") { id } }`, ['prediction'], ['SCORER', 'ANALYST', 'ADMIN']],
  ['predictionByKey', '{ predictionByKey(idempotencyKey: "k") { id } }', ['predictionByKey'], ['SCORER', 'ANALYST', 'ADMIN']],
  ['predictions', '{ predictions { nodes { id } } }', ['predictions'], ['SCORER', 'ANALYST', 'ADMIN']],
  ['applicant', '{ applicant(id: "a-1") { id } }', ['applicant'], ['SCORER', 'ANALYST', 'ADMIN']],
  [
    'Prediction.features',
    `{ prediction(id: "${STORED.id}") { id features { name } } }`,
    ['prediction', 'features'],
    ['ANALYST', 'ADMIN'],
  ],
  ['alerts', '{ alerts { nodes { id } } }', ['alerts'], ['MONITOR', 'ANALYST', 'ADMIN']],
  [
    'acknowledgeAlert',
    `mutation { acknowledgeAlert(input: { alertId: "${STORED.id}" }) { alert { id } } }`,
    ['acknowledgeAlert'],
    ['MONITOR', 'ADMIN'],
  ],
  ['recordOutcome', `mutation { recordOutcome(input: ${OUTCOME}) { prediction { id } } }`, ['recordOutcome'], RECORDERS],
  [
    'recordOutcomes',
    `mutation { recordOutcomes(input: { items: [${OUTCOME}] }) { results { index } } }`,
    ['recordOutcomes'],
    RECORDERS,
  ],
  [
    'riskSummary',
    '{ riskSummary(from: "2026-11-20T00:00:00Z", to: "2026-11-21T00:00:00Z") { total } }',
    ['riskSummary'],
    ['ANALYST', 'MODEL_MANAGER', 'ADMIN'],
  ],
  ['alertCursor', '{ alertCursor }', ['alertCursor'], ['MONITOR', 'ANALYST', 'ADMIN']],
  ['models', '{ models { name contract { name } versions { bands { from } } } }', ['models'], everyone],
  ['model', '{ model(name: "consumer-credit") { name } }', ['model'], everyone],
  [
    'ModelVersion.metrics',
    '{ models { champion { version metrics { name } } } }',
    ['models', 0, 'champion', 'metrics'],
    ['ANALYST', 'MODEL_MANAGER', 'ADMIN'],
  ],
  ['auditEntries', '{ auditEntries { nodes { id } } }', ['auditEntries'], ['ADMIN']],
  ['webhooks', '{ webhooks { id url } }', ['webhooks'], ['ADMIN']],
  [
    'createWebhook',
    'mutation { createWebhook(input: { url: "https://example.com/alerts" }) { secret } }',
    ['createWebhook'],
    ['ADMIN'],
  ],
  [
    'rotateWebhookSecret',
    `mutation { rotateWebhookSecret(input: { webhookId: "${STORED.id}" }) { secret } }`,
    ['rotateWebhookSecret'],
    ['ADMIN'],
  ],
  [
    'deleteWebhook',
    `mutation { deleteWebhook(input: { webhookId: "${STORED.id}" }) { webhookId } }`,
    ['deleteWebhook'],
    ['ADMIN'],
  ],
  [
    'redeliverWebhook',
    `mutation { redeliverWebhook(input: { deliveryId: "${STORED.id}" }) { delivery { id } } }`,
    ['redeliverWebhook'],
    ['ADMIN'],
  ],
  ['apiKeys', '{ apiKeys { nodes { id hint } } }', ['apiKeys'], ['ADMIN']],
  [
    'createApiKey',
    'mutation { createApiKey(input: { principal: "shop", roles: [SCORER] }) { key apiKey { id } } }',
    ['createApiKey'],
    ['ADMIN'],
  ],
  [
    'revokeApiKey',
    `mutation { revokeApiKey(input: { apiKeyId: "${STORED.id}" }) { apiKey { id } } }`,
    ['revokeApiKey'],
    ['ADMIN'],
  ],
]

function at(data: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce((value, key) => (value as Record<string | number, unknown> | null | undefined)?.[key], data)
}

describe('the policy', () => {
  let gateway: GatewaySchema
  beforeAll(async () => {
    gateway = await createGatewaySchema()
  })

  it('has a rule for every object type, or the type is listed as one that holds what its parents allowed', () => {
    const names = objectTypes(gateway.schema).map(({ name }) => name)
    expect([...Object.keys(RULES), ...HOLD_WHAT_PARENTS_ALLOWED].sort()).toEqual(names.sort())
  })

  it.each(GUARDED)('has a rule of its own for every field of %s, and none for a field that is not there', name => {
    const type = gateway.schema.getType(name)
    const fields = isObjectType(type) ? Object.keys(type.getFields()) : []
    expect(Object.keys(RULES[name]).sort()).toEqual(['*', ...fields].sort())
  })

  it('denies whatever field has no rule, in every type that has rules', () => {
    const others = Object.values(RULES).map(rules => rules['*'])
    expect(new Set(others)).toEqual(new Set([RULES.Query['*']]))
  })

  describe.each(ROLES)('for %s', role => {
    it.each(TABLE)('answers %s as the table says', async (_what, source, path, allowed) => {
      const { data, errors } = await graphql({
        schema: gateway.schema,
        source,
        contextValue: gateway.contextOf(role),
        variableValues: { features: HIGH_RISK },
      })
      if (allowed.includes(role)) {
        expect(errors).toBeUndefined()
        expect(at(data, path)).not.toBeNull()
        return
      }
      const refusals = errors?.filter(
        ({ originalError }) => originalError instanceof AppError && originalError.code === 'FORBIDDEN',
      )
      if (path.length === 1 || role === 'MONITOR' || role === 'MODEL_MANAGER') expect(refusals).not.toHaveLength(0)
      else expect(refusals?.[0]?.path).toEqual(path)
      expect(at(data, path) ?? null).toBeNull()
    })

    it('shows an outcome below an alert as the table says', async () => {
      const { data, errors } = await graphql({
        schema: gateway.schema,
        source: `{ alerts { nodes { prediction { id outcome { defaulted } latest: applicant { id } } } } }`,
        contextValue: gateway.contextOf(role),
      })
      const refused = errors?.map(({ path }) => path)
      if (!['MONITOR', 'ANALYST', 'ADMIN'].includes(role)) return expect(refused).toEqual([['alerts']])
      const path = ['alerts', 'nodes', 0, 'prediction']
      expect(at(data, path)).toMatchObject({ id: expect.any(String), latest: { id: 'a-1' }, outcome: null })
      expect(refused).toEqual(role === 'MONITOR' ? [[...path, 'outcome']] : undefined)
    })

    it('shows an outcome below a prediction to whoever may read it', async () => {
      const source = `{ prediction(id: "${STORED.id}") { outcome { defaulted } } }`
      const { data } = await graphql({ schema: gateway.schema, source, contextValue: gateway.contextOf(role) })
      const isShown = ['SCORER', 'ANALYST', 'ADMIN'].includes(role)
      expect(data).toEqual({ prediction: isShown ? { outcome: { defaulted: true } } : null })
    })

    it('opens the subscription as the table says', async () => {
      const result = await subscribe({
        schema: gateway.schema,
        document: parse('subscription { highRiskScored { id } }'),
        contextValue: gateway.contextOf(role),
      })
      const isOpen = Symbol.asyncIterator in result
      expect(isOpen).toBe(['MONITOR', 'ANALYST', 'ADMIN'].includes(role))
      if (Symbol.asyncIterator in result) await result.return?.()
      else expect(result.errors?.[0]?.originalError).toMatchObject({ code: 'FORBIDDEN' })
    })
  })

  it('calls no resolver of a field that it refuses', async () => {
    gateway.asked.length = 0
    const before = gateway.recorder.recorded.length
    for (const [, source] of TABLE) {
      const variableValues = { features: HIGH_RISK }
      await graphql({ schema: gateway.schema, source, contextValue: gateway.contextOf(), variableValues })
    }
    expect(gateway.asked).toEqual([])
    expect(gateway.recorder.recorded).toHaveLength(before)
  })

  it('serves the siblings of a field that it refuses', async () => {
    const source = `{ prediction(id: "${STORED.id}") { probability features { name } band } }`
    const { data } = await graphql({ schema: gateway.schema, source, contextValue: gateway.contextOf('SCORER') })
    expect(data).toEqual({ prediction: { probability: 0.25, features: null, band: 'T6' } })
  })

  it('holds through aliases, fragments and the way over an applicant', async () => {
    const source = `{
      applicant(id: "a-1") { latestPrediction { ...P } predictions { edges { node { ...P } } } }
    }
    fragment P on Prediction { mine: features { name } modelVersion { numbers: metrics { value } } }`
    const { data, errors } = await graphql({ schema: gateway.schema, source, contextValue: gateway.contextOf('SCORER') })
    expect(JSON.stringify(data)).not.toMatch(/"value"|amount/)
    expect(errors).toHaveLength(4)
  })

  it('refuses a nullable field with null, so that nothing else of the answer is lost', () => {
    const guarded = { Prediction: 'features', ModelVersion: 'metrics' }
    for (const [name, field] of Object.entries(guarded)) {
      const type = gateway.schema.getType(name)
      expect(isObjectType(type) && isNonNullType(type.getFields()[field]?.type)).toBe(false)
    }
  })

  it('is refused at start when it names a type that the schema has not', () => {
    expect(() => applyPermissions(buildSchema('type Query { viewer: Int }'))).toThrow()
  })
})
