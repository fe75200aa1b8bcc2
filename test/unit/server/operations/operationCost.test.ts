import { readFileSync } from 'node:fs'
import {
  getIntrospectionQuery,
  getNamedType,
  getVariableValues,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
} from 'graphql'
import { beforeAll, describe, expect, it } from 'vitest'
import { declaredCost } from '../../../../src/schema/cost.js'
import { operationCost } from '../../../../src/server/operations/operationCost.js'
import { createGatewaySchema, type GatewaySchema } from '../../support/gatewaySchema.js'

const LIMIT = 10_000

describe('the cost of an operation', () => {
  let gateway: GatewaySchema
  beforeAll(async () => {
    gateway = await createGatewaySchema()
  })

  function measured(text: string, variables: Record<string, unknown> = {}, name?: string) {
    const document = parse(text)
    const operations = document.definitions.filter(
      (node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION,
    )
    const operation = operations.find(node => name === undefined || node.name?.value === name)
    if (!operation) throw new Error('There is no such operation.')
    const { coerced, errors } = getVariableValues(gateway.schema, operation.variableDefinitions ?? [], variables)
    if (!coerced) throw errors?.[0]
    const { costOf, rowsOf } = operationCost(gateway.schema, document, operation)
    return { cost: costOf(coerced), rows: rowsOf(coerced) }
  }
  const costOf = (...given: Parameters<typeof measured>) => measured(...given).cost

  it.each<[string, number, string, Record<string, unknown>?]>([
    ['one object', 1, '{ viewer { id roles permissions } }'],
    ['the same field twice', 2, '{ viewer { id } viewer { id } }'],
    ['a page of 20 by default', 1 + 20, '{ predictions { nodes { id } } }'],
    ['a page of 5', 1 + 5, '{ predictions(first: 5) { nodes { id } } }'],
    ['a page backwards', 1 + 7, '{ predictions(last: 7) { nodes { id } } }'],
    ['a page sized by a variable', 1 + 9, 'query($n: Int) { predictions(first: $n) { nodes { id } } }', { n: 9 }],
    ['a page sized by the default of a variable', 1 + 8, 'query($n: Int = 8) { predictions(first: $n) { nodes { id } } }'],
    ['a page sized by a missing variable', 1 + 20, 'query($n: Int) { predictions(first: $n) { nodes { id } } }'],
    ['a page over the maximum as the largest', 1 + 100, '{ predictions(first: 2000000000) { nodes { id } } }'],
    ['a page of negative size as empty', 1, '{ predictions(first: -5) { nodes { id } } }'],
    ['rows that are read but not shown', 1 + 50 + 1, '{ predictions(first: 50) { pageInfo { hasNextPage } } }'],
    ['nodes and edges', 1 + 10 * 3, '{ predictions(first: 10) { nodes { id } edges { node { id } } } }'],
    ['a count', 1 + 10 + 11, '{ predictions(first: 10) { nodes { id } total { count } } }'],
    [
      'rows within rows',
      1 + 10 * (1 + 1 + 1 + 30),
      '{ predictions(first: 10) { nodes { applicant { predictions(first: 30) { nodes { id } } } } } }',
    ],
    [
      'fragments',
      1 + 10 * 2,
      '{ predictions(first: 10) { ...P } } fragment P on PredictionConnection { nodes { ...N } } fragment N on Prediction { ... on Prediction { applicant { id } } }',
    ],
    [
      'a summary as its buckets, each with its bands',
      1 + 25 * 9,
      '{ riskSummary(from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z", interval: HOUR) { buckets { count } } }',
    ],
    [
      'a summary of any length',
      1 + 8 + 1_000 * 9,
      '{ riskSummary(from: "1970-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z", interval: HOUR) { bands { count } buckets { bands { count } } } }',
    ],
    ['deliveries of all webhooks', 20 * (1 + 100 + 11), '{ webhooks { deliveries(first: 100) { id } status { dead } } }'],
    [
      'a batch as its items',
      1 + 3 * (1 + 1 + 10),
      'mutation($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { prediction { id } errors { code } } } }',
      { i: [1, 2, 3].map(() => ({ applicantId: 'a', features: { consumerCredit: {} } })) },
    ],
    ['an event of a subscription', 2, 'subscription { highRiskScored { prediction { id } } }'],
    ['a scalar', 0, '{ alertCursor __typename }'],
  ])('counts %s', (_what, cost, text, variables) => {
    expect(costOf(text, variables)).toBe(cost)
  })

  it('visits each nested fragment once, however often it is spread', () => {
    const fragments = Array.from({ length: 60 }, (_, i) => `fragment F${i} on Applicant { ...F${i + 1} ...F${i + 1} }`)
    const text = `query($n: Int) { applicant(id: "a") { ...F0 } } ${fragments.join(' ')} fragment F60 on Applicant { predictions(first: $n) { nodes { id } } }`
    expect(costOf(text, { n: 10 })).toBe(1 + 2 ** 60 * 11)
  })

  it('counts the rows of mutations', () => {
    const item = { predictionId: 'x', defaulted: true, observedAt: '2026-01-01T00:00:00Z' }
    const text = `mutation($i: [RecordOutcomeInput!]!) { recordOutcomes(input: {items: $i}) { results { index } } ...M }
      fragment M on Mutation { eraseApplicant(input: {applicantId: "a"}) { erased } }`
    expect(measured(text, { i: [item, item, item] }).rows).toBe(4)
    expect(measured(text, { i: [] }).rows).toBe(2)
    expect(measured(text, { i: Array(5_000).fill(item) }).rows).toBe(1_001)
  })

  it('is low enough for all documented operations, at their largest', () => {
    const largest = {
      first: 100,
      id: 'a',
      key: 'k',
      name: 'm',
      items: [],
      from: '1970-01-01T00:00:00Z',
      to: '2026-01-01T00:00:00Z',
      interval: 'HOUR',
    }
    const texts = ['docs/guide.md', 'docs/alerts.md'].flatMap(file =>
      [...readFileSync(file, 'utf8').matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text = '']) => text),
    )
    texts.push(
      readFileSync('test/support/operations.graphql', 'utf8'),
      getIntrospectionQuery({
        descriptions: true,
        inputValueDeprecation: true,
        oneOf: true,
        specifiedByUrl: true,
        schemaDescription: true,
        directiveIsRepeatable: true,
      }),
    )
    let seen = 0
    for (const text of texts) {
      const document = parse(text)
      for (const operation of document.definitions) {
        if (operation.kind !== Kind.OPERATION_DEFINITION) continue
        seen++
        const { costOf: cost } = operationCost(gateway.schema, document, operation)
        const times = { from: new Date(0), to: new Date(), interval: 'HOUR' }
        const items = Array(operation.name?.value.includes('Risk') ? 100 : 1_000).fill({})
        expect(cost({ ...largest, ...times, items }), operation.name?.value).toBeLessThanOrEqual(LIMIT)
      }
    }
    expect(seen).toBeGreaterThan(30)
  })

  it('is too high for pages of pages', () => {
    expect(
      costOf('{ predictions(first: 100) { nodes { applicant { predictions(first: 100) { nodes { id } } } } } }'),
    ).toBeGreaterThan(LIMIT)
    expect(
      costOf('{ predictions(first: 100) { nodes { applicant { predictions(first: 100) { pageInfo { endCursor } } } } } }'),
    ).toBeGreaterThan(LIMIT)
  })

  it('is declared for every list of objects in the schema, and for every field that returns a type with rows', () => {
    const types = Object.values(gateway.schema.getTypeMap()).filter(type => isObjectType(type) && !type.name.startsWith('__'))
    const undeclared: string[] = []
    const holdsRows = new Set<string>()
    for (const type of types) {
      if (!isObjectType(type)) continue
      for (const field of Object.values(type.getFields())) {
        const list = isListType(field.type) || ('ofType' in field.type && isListType(field.type.ofType))
        if (!list || !isObjectType(getNamedType(field.type))) continue
        const { size, rows } = declaredCost(field)
        if (size === undefined && rows === undefined) undeclared.push(`${type.name}.${field.name}`)
        if (size === 'rows') holdsRows.add(type.name)
      }
    }
    for (const type of types) {
      if (!isObjectType(type)) continue
      for (const field of Object.values(type.getFields())) {
        if (holdsRows.has(getNamedType(field.type).name) && !declaredCost(field).rows)
          undeclared.push(`${type.name}.${field.name}`)
      }
    }
    expect(undeclared).toEqual([])
    expect(holdsRows.size).toBeGreaterThan(3)
  })
})
