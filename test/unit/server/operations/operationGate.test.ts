import { Registry } from 'prom-client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/errors.js'
import { type HttpServer, startHttpServer } from '../../../../src/server/httpServer.js'
import { AddressLimit } from '../../../../src/server/limits/addressLimit.js'
import { type ChargePoints, RateLimitedError } from '../../../../src/server/limits/quota.js'
import { StreamLimit } from '../../../../src/server/limits/streamLimit.js'
import { LOW_RISK } from '../../../support/applicants.js'
import { GraphqlClient } from '../../../support/client.js'
import { createGatewaySchema, type GatewaySchema, principalOf } from '../../support/gatewaySchema.js'

const LEFT = { limit: 100, remaining: 40, resetSeconds: 7 }
const NONE = { limit: 100, remaining: 0, resetSeconds: 9 }
const application = { applicantId: 'a', features: { consumerCredit: LOW_RISK } }
const outcome = { predictionId: '01900000-0000-7000-8000-000000000001', defaulted: true, observedAt: '2026-06-01T00:00:00Z' }
const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }'
const BATCH = 'mutation($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { index } } }'
const OUTCOMES = 'mutation($i: [RecordOutcomeInput!]!) { recordOutcomes(input: {items: $i}) { results { index } } }'
const SCORE_WITH_HISTORY = `mutation($input: PredictRiskInput!) { predictRisk(input: $input) { prediction { applicant {
  predictions(first: 100) { nodes { applicant { id } outcome { defaulted } } } } } } }`
const PAGE = 'query($n: Int) { predictions(first: $n) { nodes { applicant { predictions(first: 3) { nodes { id } } } } } }'

describe('an operation is charged', () => {
  let gateway: GatewaySchema
  let server: HttpServer
  let client: GraphqlClient
  let chargePoints: ChargePoints
  /** The points that were charged, in order. */
  let asked: number[]
  const observed: unknown[][] = []
  const refused: unknown[] = []

  beforeAll(async () => {
    gateway = await createGatewaySchema()
    server = await startHttpServer({
      host: '127.0.0.1',
      port: 0,
      bodyLimitBytes: 1_048_576,
      drainMs: 0,
      keepAliveMs: 72_000,
      contracts: [],
      schema: gateway.schema,
      auth: {
        authenticate: async () => principalOf('ADMIN'),
        authenticateInOutage: async () => principalOf('ADMIN'),
        watch: () => () => {},
      },
      contextOf: () => gateway.contextOf('ADMIN'),
      chargePoints: (principal, points) => {
        asked.push(points)
        return chargePoints(principal, points)
      },
      development: false,
      trustedProxies: [],
      forwardedHeader: 'x-forwarded-for',
      corsOrigins: [],
      malformed: () => {},
      addresses: new AddressLimit(undefined, () => {}),
      streams: new StreamLimit(1_000, () => {}),
      health: { metrics: new Registry(), notReady: async () => [] },
      report: (_id, error) => refused.push(error),
      observe: ({ operation, code, context }) => observed.push([operation, code, context.principal.id]),
      lookedUp: { document: () => {}, prepared: () => {} },
      refused: ({ code }) => refused.push(code),
      observeStream: ({ operation, code, principal }) => observed.push([operation, code, principal?.id]),
    })
    client = new GraphqlClient(server.url, 'any')
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    asked = []
    observed.length = 0
    refused.length = 0
    chargePoints = () => undefined
    gateway.recorder.recorded.length = 0
    gateway.asked.length = 0
  })

  const sum = () => asked.reduce((total, points) => total + points, 0)

  it.each<[string, string, object, number]>([
    ['one point for a score', SCORE, { input: application }, 1],
    ['a point for each item of a batch', BATCH, { i: Array(7).fill(application) }, 7],
    ['a point for each outcome of a list', OUTCOMES, { i: Array(30).fill(outcome) }, 30],
    [
      'a point for each mutation',
      'mutation { a: eraseApplicant(input: {applicantId: "a"}) { erased } b: eraseApplicant(input: {applicantId: "b"}) { erased } }',
      {},
      2,
    ],
    ['a point for each 100 objects that a score selects', SCORE_WITH_HISTORY, { input: application }, 3],
    ['one point for a small query', '{ viewer { id } }', {}, 1],
    ['a point for each field of a query', '{ viewer { id } models { name } alertCursor }', {}, 3],
    ['a point for each 100 objects of a page', PAGE, { n: 100 }, 1 + Math.floor((1 + 100 * (1 + 1 + 1 + 3)) / 100)],
    ['fewer points for a smaller page', PAGE, { n: 10 }, 1],
  ])('%s, prepared or not', async (_what, query, variables, points) => {
    for (let use = 1; use <= 4; use++) {
      asked = []
      expect((await client.send({ query, variables })).errors).toBeUndefined()
      expect(sum()).toBe(points)
      // At its first use it pays one point before it is parsed, and the rest when its cost is known.
      expect(asked.length).toBeLessThanOrEqual(2)
    }
    // A prepared operation whose variables need no coercion pays in one step.
    if (!query.includes('$n') && !query.includes('Outcome') && !query.includes('erase')) expect(asked).toEqual([points])
  })

  it.each<[string, object, number]>([
    ['a document that cannot be parsed', { query: '{' }, 1],
    ['an unknown field', { query: '{ viewers }' }, 1],
    ['a document beyond the limits', { query: `{ ${'a: __typename '.repeat(16)} }` }, 1],
    ['wrong variables', { query: PAGE, variables: { n: 'x' } }, 1],
    ['an answer beyond the limits', { query: PAGE.replace('3', '100'), variables: { n: 100 } }, 1],
    ['no document', {}, 1],
  ])('one point for %s, which is not executed', async (_what, body, points) => {
    const { status } = await client.send(body)
    expect(status).toBe(400)
    expect(sum()).toBe(points)
    expect(gateway.asked.filter(question => (question as unknown[])[0] === 'page')).toEqual([])
  })

  it('one point for a prepared operation with an answer beyond the limits, which is not executed', async () => {
    const query = `mutation($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { prediction {
      applicant { predictions(first: 100) { nodes { id } } } } } } }`
    const send = (items: number) => client.send({ query, variables: { i: Array(items).fill(application) } })
    for (let use = 1; use <= 4; use++) expect((await send(1)).status).toBe(200)
    gateway.recorder.recorded.length = 0
    asked = []
    const { status, errors } = await send(100)
    expect([status, errors?.[0]?.extensions.code, asked]).toEqual([400, 'QUERY_TOO_COMPLEX', [1]])
    expect(gateway.recorder.recorded).toEqual([])
  })

  it.each<[string, string, string, RequestInit]>([
    ['a body that is not JSON', '/graphql', 'application/json', { body: '{' }],
    ['no body', '/graphql', 'application/json', {}],
    ['a body of another type', '/graphql', 'text/csv', { body: 'a,b' }],
    ['a body that is too large', '/graphql', 'application/json', { body: 'x'.repeat(1_100_000) }],
    ['a body for server-sent events that is not JSON', '/graphql/stream', 'application/json', { body: '{' }],
    ['a body for server-sent events without a document', '/graphql/stream', 'application/json', { body: '{}' }],
  ])('one point for %s, and is refused past the limit', async (_what, path, type, init) => {
    const send = () =>
      fetch(server.url + path, { method: 'POST', ...init, headers: { authorization: 'Bearer x', 'content-type': type } })
    expect((await send()).status).toBeOneOf([400, 413])
    expect(asked).toEqual([1])
    chargePoints = () => refuseOver(0)
    const { status, headers } = await send()
    expect([status, headers.get('retry-after')]).toEqual([429, '9'])
  })

  it.each([
    ['at once', (value: () => ReturnType<ChargePoints>) => value()],
    ['after a while', async (value: () => ReturnType<ChargePoints>) => value()],
  ])('%s, and the headers of its answer show the quota, prepared or not', async (_when, answer) => {
    chargePoints = () => answer(() => LEFT) as ReturnType<ChargePoints>
    for (let use = 1; use <= 4; use++) {
      const { headers } = await client.send({ query: SCORE, variables: { input: application } })
      expect([headers.get('ratelimit-limit'), headers.get('ratelimit-remaining'), headers.get('ratelimit-reset')]).toEqual([
        '100',
        '40',
        '7',
      ])
    }
  })

  it.each([
    ['at once', (points: number) => refuseOver(points)],
    ['after a while', async (points: number) => refuseOver(points)],
  ])('or %s refused with 429 and not executed, prepared or not', async (_when, limit) => {
    for (let use = 1; use <= 4; use++) await client.send({ query: SCORE, variables: { input: application } })
    for (let use = 1; use <= 4; use++) await client.send({ query: BATCH, variables: { i: [application, application] } })
    gateway.recorder.recorded.length = 0
    chargePoints = (_principal, points) => limit(points)
    const fresh = `${SCORE} # ${Math.random()}`
    for (const [query, variables] of [
      [SCORE, { input: application }],
      [fresh, { input: application }],
      [BATCH, { i: [application, application] }],
    ] as const) {
      observed.length = 0
      const { status, headers, data, errors } = await client.send({ query, variables })
      expect({ status, data }).toEqual({ status: 429, data: undefined })
      expect(errors).toEqual([{ message: 'Slow down.', extensions: { code: 'RATE_LIMITED', retryable: true } }])
      expect([headers.get('retry-after'), headers.get('ratelimit-remaining')]).toEqual(['9', '0'])
      expect(observed).toEqual([[expect.any(String), 'RATE_LIMITED', 'test-client']])
    }
    expect(gateway.recorder.recorded).toEqual([])
    expect(refused).toEqual([])
  })

  it('or refused with 429 later, when the number of its rows is known', async () => {
    chargePoints = (_principal, points) => (points > 1 ? refuseOver(0) : LEFT)
    const { status, headers } = await client.send({
      query: `${BATCH} # new`,
      variables: { i: [application, application, application] },
    })
    expect([status, headers.get('retry-after'), headers.get('ratelimit-remaining')]).toEqual([429, '9', '0'])
    expect(gateway.recorder.recorded).toEqual([])
  })

  it('or answered with 503 and Retry-After while points cannot be counted, prepared or not, at once and later', async () => {
    for (let use = 1; use <= 4; use++) await client.send({ query: SCORE, variables: { input: application } })
    const unavailable = () => {
      throw new AppError('SERVICE_UNAVAILABLE', 'Try again shortly.')
    }
    chargePoints = (_principal, points) => (points > 1 ? unavailable() : LEFT)
    const later = await client.send({ query: `${BATCH} # later`, variables: { i: [application, application, application] } })
    chargePoints = unavailable
    const prepared = await client.send({ query: SCORE, variables: { input: application } })
    const fresh = await client.send({ query: `${SCORE} # fresh`, variables: { input: application } })
    const unread = await fetch(`${server.url}/graphql`, { method: 'POST', headers: { authorization: 'Bearer x' } })
    for (const { status, headers } of [later, prepared, fresh, unread]) {
      expect([status, headers.get('retry-after')]).toEqual([503, '1'])
    }
  })

  it('one point as a subscription, or refused: over server-sent events with 429, over WebSocket with RATE_LIMITED', async () => {
    const query = 'subscription { highRiskScored { id } }'
    expect(await client.openStream({ query })).toEqual([])
    expect(asked).toEqual([1])
    chargePoints = () => refuseOver(0)
    const [refusal] = await client.openStream({ query })
    expect(refusal).toContain('RATE_LIMITED')
    const response = await fetch(`${server.url}/graphql/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
      body: JSON.stringify({ query }),
    })
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '9'])
    const sockets = client.sockets()
    const error = await sockets
      .iterate({ query })
      .next()
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject([{ message: 'Slow down.', extensions: { code: 'RATE_LIMITED', retryable: true } }])
    await sockets.dispose()
    expect(observed.filter(([, code]) => code === 'RATE_LIMITED')).toHaveLength(3)
    expect(refused).toEqual([])
  })
})

function refuseOver(_points: number): never {
  throw new RateLimitedError('Slow down.', NONE)
}
