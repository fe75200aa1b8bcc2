import { readFileSync } from 'node:fs'
import { buildSchema, type GraphQLSchema, graphql, isNonNullType, isObjectType } from 'graphql'
import { describe, expect, it } from 'vitest'
import { applyPermissions } from '../../../src/auth/shield.js'
import { HIGH_RISK } from '../../support/applicants.js'
import { createGatewaySchema, STORED } from '../support/gatewaySchema.js'

const SCHEMA = readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8')

const ROOT = /^(Query|Mutation|Subscription)\./

/** The guarded fields. In this schema only guarding gives a field a resolver. */
function guardedFields(schema: GraphQLSchema) {
  const types = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith('__'))
  return types
    .flatMap(type => Object.values(type.getFields()).map(field => ({ ...field, coordinate: `${type.name}.${field.name}` })))
    .filter(({ resolve, subscribe }) => resolve ?? subscribe)
}

function guarded(text = SCHEMA): GraphQLSchema {
  const schema = buildSchema(text)
  applyPermissions(schema)
  return schema
}

describe('the policy', () => {
  it('refuses to start if a field has no rule, and names the field', () => {
    expect(() => guarded(`${SCHEMA} extend type Query { everything: String } extend type Prediction { score: Float }`)).toThrow(
      'These fields have no rule: Prediction.score, Query.everything.',
    )
  })

  it('refuses to start if a type has no rule, and names its fields', () => {
    expect(() => guarded(`${SCHEMA} type Secret { id: ID value: String }`)).toThrow('no rule: Secret.id, Secret.value.')
  })

  it('refuses to start if it has a rule for a type or field that is not in the schema', () => {
    expect(() => guarded('type Query { viewer: Int }')).toThrow()
    expect(() => guarded(SCHEMA.replace(/^ {2}features: \[FeatureValue!\]$/m, ''))).toThrow('Prediction.features')
  })

  it('guards no field that every caller who reaches it may read, so that rows cost nothing', () => {
    const names = guardedFields(guarded()).map(({ coordinate }) => coordinate)
    const open = ['Query.viewer', 'Query.model', 'Query.models']
    const rows = names.filter(name => !ROOT.test(name))
    expect(names).not.toEqual(expect.arrayContaining(open))
    expect(rows.sort()).toEqual([
      'Applicant.latestPrediction',
      'Applicant.predictions',
      'Model.rollout',
      'ModelVersion.metrics',
      'ModelVersion.origin',
      'ModelVersion.problems',
      'ModelVersion.report',
      'ModelVersion.warnings',
      'Prediction.features',
      'Prediction.outcome',
    ])
  })

  // A refused non-null field also blanks the fields beside it. The API contract wants this at the root: a caller who may not run one
  // field of an operation gets none of it. It also wants it for Applicant.predictions: a caller who may not read history gets nothing
  // about an applicant except the reference that the caller already has.
  it('guards non-null fields only at the root, and the one that the API contract makes non-null', () => {
    const blanking = guardedFields(guarded()).filter(({ type }) => isNonNullType(type))
    const below = blanking.map(({ coordinate }) => coordinate).filter(name => !ROOT.test(name))
    expect(below).toEqual(['Applicant.predictions'])
  })

  it('does not call the resolver of a field that it refuses', async () => {
    const { schema, contextOf, asked, recorder } = await createGatewaySchema()
    const refused = [
      `{ prediction(id: "${STORED.id}") { id } predictionByKey(idempotencyKey: "k") { id } applicant(id: "a-1") { id } }`,
      '{ predictions { nodes { id } } }',
      '{ alerts { nodes { id } } }',
      '{ webhooks { id } }',
      'mutation { createWebhook(input: { url: "https://example.com/alerts" }) { secret } }',
      'mutation { promoteModelVersion(input: { model: "m", version: "1", reason: "r" }) { rollout { champion } } }',
      'mutation { rollbackModel(input: { model: "m", reason: "r" }) { rollout { champion } } }',
      'mutation { eraseApplicant(input: { applicantId: "a-1" }) { erased } }',
      `mutation ($features: ConsumerCreditFeaturesInput!) {
        predictRisk(input: { applicantId: "a-1", features: { consumerCredit: $features } }) { replayed }
      }`,
    ]
    for (const source of refused) {
      const { errors } = await graphql({ schema, source, contextValue: contextOf(), variableValues: { features: HIGH_RISK } })
      expect(new Set(errors?.map(({ originalError }) => (originalError as { code?: string }).code))).toEqual(
        new Set(['FORBIDDEN']),
      )
    }
    expect(asked).toEqual([])
    expect(recorder.recorded).toEqual([])
  })
})
