import { getVariableValues, type OperationDefinitionNode, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { plainVariables } from '../../../../src/server/operations/plainVariables.js'
import { LOW_RISK } from '../../../support/applicants.js'
import { createGatewaySchema } from '../../support/gatewaySchema.js'

const { schema } = await createGatewaySchema()

function operationOf(text: string): OperationDefinitionNode {
  return parse(text).definitions[0] as OperationDefinitionNode
}

const SCORE = operationOf('mutation($i: PredictRiskInput!) { predictRisk(input: $i) { replayed } }')
const BATCH = operationOf(
  'mutation($items: [PredictRiskInput!]!) { predictRiskBatch(input: { items: $items }) { results { index } } }',
)
const HISTORY = operationOf(
  'query($first: Int, $filter: PredictionFilter) { predictions(first: $first, filter: $filter) { nodes { id } } }',
)
const DEFAULTED = operationOf('query($id: ID = "1") { prediction(id: $id) { id } }')

const application = (change: object = {}) => ({ applicantId: 'a', features: { consumerCredit: LOW_RISK }, ...change })

const STRANGE = [
  undefined,
  null,
  true,
  0,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '',
  '1',
  [],
  [1],
  {},
  { a: 1 },
  'T8',
  '2026-01-01',
]

describe('variables', () => {
  it('that hold a plain application, or a list of them, need no coercion', () => {
    expect(plainVariables(schema, SCORE)({ i: application() })).toBe(true)
    expect(plainVariables(schema, SCORE)({ i: application({ channel: null, idempotencyKey: 'k' }) })).toBe(true)
    expect(plainVariables(schema, BATCH)({ items: [application(), application()] })).toBe(true)
  })

  it.each([
    ['a required field that is missing', SCORE, { i: { features: { consumerCredit: LOW_RISK } } }],
    ['an unknown field', SCORE, { i: application({ more: 1 }) }],
    ['two keys of a oneOf', SCORE, { i: application({ features: { consumerCredit: LOW_RISK, other: {} } }) }],
    ['no key of a oneOf', SCORE, { i: application({ features: {} }) }],
    ['a null key of a oneOf', SCORE, { i: application({ features: { consumerCredit: null } }) }],
    ['an id that is a number', SCORE, { i: application({ applicantId: 7 }) }],
    ['Infinity', SCORE, { i: application({ features: { consumerCredit: { ...LOW_RISK, income: Number.POSITIVE_INFINITY } } }) }],
    ['one item for a list', BATCH, { items: application() }],
    ['an enum, an integer or an instant', HISTORY, { first: 1, filter: { bands: ['T8'] } }],
    ['a default', DEFAULTED, {}],
    ['a list of variables', SCORE, [application()]],
  ])('with %s are left to graphql-js', (_what, operation, variables) => {
    expect(plainVariables(schema, operation)(variables)).toBe(false)
  })

  it('pass only if coercion would not change them, whatever value is in each field', () => {
    const isPlain = plainVariables(schema, SCORE)
    const definitions = SCORE.variableDefinitions ?? []
    let passed = 0
    const names = ['applicantId', 'features', 'idempotencyKey', 'channel', 'consumerCredit', ...Object.keys(LOW_RISK)]
    for (const name of names) {
      for (const value of STRANGE) {
        const features = { consumerCredit: { ...LOW_RISK, ...(name in LOW_RISK && { [name]: value }) } as unknown }
        if (name === 'consumerCredit') features.consumerCredit = value
        const changed = name in LOW_RISK || name === 'consumerCredit' ? {} : { [name]: value }
        const variables = { i: { ...application({ features }), ...changed } }
        if (!isPlain(variables)) continue
        passed++
        expect(getVariableValues(schema, definitions, variables)).toEqual({ coerced: variables })
      }
    }
    expect(passed).toBeGreaterThan(names.length)
  })
})
