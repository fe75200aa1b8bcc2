import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLES, type Role } from '../../src/auth/principal.js'
import { startGateway, type TestGateway } from '../support/gateway.js'

const FULL = getIntrospectionQuery({ descriptions: true, inputValueDeprecation: true, oneOf: true, specifiedByUrl: true })
const MAY: readonly Role[] = ['ANALYST', 'MODEL_MANAGER', 'ADMIN']

const ASKING: [what: string, query: string, variables?: object][] = [
  ['the query of every tool', FULL],
  ['__type', '{ __type(name: "Query") { fields { name } } }'],
  ['an alias', '{ a: __schema { types { name } } }'],
  ['a fragment', '{ ...Q } fragment Q on Query { __schema { queryType { name } } }'],
  ['an inline fragment', '{ ... on Query { ... { __type(name: "Prediction") { name } } } }'],
  ['beside other fields', '{ viewer { id } __schema { types { name } } }'],
  ['a directive', 'query($a: Boolean!) { viewer { id } __schema @include(if: $a) { types { name } } }', { a: true }],
]

describe('the schema', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it.each(ASKING)('is shown by %s only to callers who may read it, in any order of callers', async (_what, query, variables) => {
    // The document is parsed, validated and planned once for all callers.
    for (let round = 1; round <= 3; round++) {
      for (const role of ROLES) {
        const client = await gateway.as({ roles: [role] })
        const { status, data, errors } = await client.send({ query, variables })
        if (MAY.includes(role)) expect({ status, errors }).toEqual({ status: 200, errors: undefined })
        else {
          expect({ status, data }).toEqual({ status: 403, data: undefined })
          expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' }, message: expect.stringContaining('Ask for') }])
        }
      }
    }
  })

  it('shows __typename to everyone', async () => {
    const client = await gateway.as({ roles: ['SCORER'] })
    for (let use = 1; use <= 3; use++) {
      const { data } = await client.send({ query: '{ __typename viewer { __typename id } }' })
      expect(data).toMatchObject({ __typename: 'Query', viewer: { __typename: 'Viewer' } })
    }
  })

  it('has its own limit of depth', async () => {
    const client = await gateway.as({ roles: ['ADMIN'] })
    const { errors: deep } = await client.send({
      query: '{ __schema { types { fields { type { ofType { ofType { ofType { ofType { name } } } } } } } } }',
    })
    expect(deep).toBeUndefined()
    const loop = '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }'
    for (const query of [
      loop,
      '{ __type(name: "Query") { ...A } } fragment A on __Type { fields { type { ...B } } } fragment B on __Type { fields { type { fields { name } } } }',
    ]) {
      const { status, errors } = await client.send({ query })
      expect({ status, errors }).toMatchObject({ status: 400, errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] })
    }
    const { errors: costly } = await client.send({
      query: `{ ${Array.from({ length: 5 }, (_, i) => `a${i}: __schema { types { fields { type { fields { args { name type { name } } } } } } }`).join(' ')} }`,
    })
    expect(costly).toMatchObject([{ extensions: { code: 'QUERY_TOO_COMPLEX' } }])
  })

  it.each([
    'subscription { __schema { types { name } } }',
    'subscription { ...S } fragment S on Subscription { __type(name: "Query") { name } }',
  ])('cannot be read in a subscription, over WebSocket or server-sent events: %s', async query => {
    const client = await gateway.as({ roles: ['ADMIN'] })
    const sockets = client.sockets()
    const refusal = await sockets
      .iterate({ query })
      .next()
      .catch(error => error)
    await sockets.dispose()
    expect(JSON.stringify(refusal)).toContain('GRAPHQL_VALIDATION_FAILED')
    const [answer] = await client.openStream({ query })
    expect(answer).toContain('GRAPHQL_VALIDATION_FAILED')
  })
})

it('in development every authenticated caller may read the schema', async () => {
  await using gateway = await startGateway({ RISKGATE_DEVELOPMENT: 'true' })
  for (const role of ROLES) {
    const client = await gateway.as({ roles: [role] })
    for (let use = 1; use <= 3; use++) expect((await client.send({ query: FULL })).status).toBe(200)
  }
  expect((await (await gateway.as()).send({ query: FULL })).status).toBe(401)
})
