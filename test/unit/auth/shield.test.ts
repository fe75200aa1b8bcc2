import { readFileSync } from 'node:fs'
import { buildSchema, type GraphQLSchema, graphql, isNonNullType, isObjectType } from 'graphql'
import { describe, expect, it } from 'vitest'
import { applyPermissions } from '../../../src/auth/shield.js'
import { HIGH_RISK } from '../../support/applicants.js'
import { createGatewaySchema, STORED } from '../support/gatewaySchema.js'

const SCHEMA = readFileSync(new URL('../../../schema.graphql', import.meta.url), 'utf8')

const ROOT = /^(Query|Mutation|Subscription)\./

/** The fields that a guard stands before: these alone have a resolver after it. */
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
  it('stops the start for a field without a rule, and names it', () => {
    expect(() => guarded(`${SCHEMA} extend type Query { everything: String } extend type Prediction { score: Float }`)).toThrow(
      'These fields have no rule: Prediction.score, Query.everything.',
    )
  })

  it('stops the start for a type without a rule, and names its fields', () => {
    expect(() => guarded(`${SCHEMA} type Secret { id: ID value: String }`)).toThrow('no rule: Secret.id, Secret.value.')
  })

  it('stops the start where it names a type or a field that the schema has not', () => {
    expect(() => guarded('type Query { viewer: Int }')).toThrow()
    expect(() => guarded(SCHEMA.replace(/^ {2}features: \[FeatureValue!\]$/m, ''))).toThrow('Prediction.features')
  })

  it('stands before no field that is allowed to all who came to it, so that a row costs nothing', () => {
    const names = guardedFields(guarded()).map(({ coordinate }) => coordinate)
    const open = ['Query.viewer', 'Query.model', 'Query.models']
    const rows = names.filter(name => !ROOT.test(name))
    expect(names).not.toEqual(expect.arrayContaining(open))
    expect(rows.sort()).toEqual([
      'Applicant.latestPrediction',
      'Applicant.predictions',
      'ModelVersion.metrics',
      'Prediction.features',
      'Prediction.outcome',
    ])
  })

  // A refusal takes its siblings with it where the field is non-null. At the root the API contract has it so: whoever sends an operation
  // that it may not send gets nothing of it. Of Applicant.predictions the contract has it so too: who may read no history gets nothing of
  // an applicant but the reference that it has already.
  it('stands before non-null fields only at the root, and where the API contract has made one non-null', () => {
    const blanking = guardedFields(guarded()).filter(({ type }) => isNonNullType(type))
    const below = blanking.map(({ coordinate }) => coordinate).filter(name => !ROOT.test(name))
    expect(below).toEqual(['Applicant.predictions'])
  })

  it('calls no resolver of a field that it refuses', async () => {
    const { schema, contextOf, asked, recorder } = await createGatewaySchema()
    const refused = [
      `{ prediction(id: "${STORED.id}") { id } predictionByKey(idempotencyKey: "k") { id } applicant(id: "a-1") { id } }`,
      '{ predictions { nodes { id } } }',
      '{ alerts { nodes { id } } }',
      '{ webhooks { id } }',
      'mutation { createWebhook(input: { url: "https://example.com/alerts" }) { secret } }',
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
