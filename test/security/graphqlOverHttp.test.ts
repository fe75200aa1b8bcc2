import { type AuditFail, type AuditOk, serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'

/**
 * Three audits send a GET as any page of another origin could. The gateway refuses such requests (CSRF prevention: it executes nothing
 * that a browser sends without a preflight). The specification allows that, because all three audits are MAY.
 */
const REFUSED_AGAINST_CSRF: Readonly<Record<string, string>> = {
  '5A70': 'MAY accept application/x-www-form-urlencoded formatted GET requests',
  D6D5: 'MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/graphql-response+json',
  '6A70': 'MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/json',
}

describe.each([
  ['in production', {}],
  ['in development', { RISKGATE_DEVELOPMENT: 'true' }],
])('GraphQL over HTTP %s', (_name, environment) => {
  let gateway: TestGateway
  let token: string
  beforeAll(async () => {
    gateway = await startGateway(environment)
    // Some audits read the schema, so the caller needs that permission.
    token = await signToken({ roles: ['ADMIN'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  /** Runs every audit of graphql-http, with the token and these headers in all requests. */
  async function audit(headers: Record<string, string> = {}): Promise<(AuditOk | AuditFail)[]> {
    const results: (AuditOk | AuditFail)[] = []
    const fetchFn = (url: string, init: RequestInit = {}) =>
      fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}`, ...headers } })
    for (const { fn } of serverAudits({ url: `${gateway.url}/graphql`, fetchFn })) results.push(await fn())
    return results
  }

  const missed = (results: (AuditOk | AuditFail)[]) =>
    Object.fromEntries(results.filter(({ status }) => status !== 'ok').map(({ id, name, status }) => [id, `${status} ${name}`]))

  it('passes 58 of 61 audits; the other three are notices about requests that CSRF prevention refuses', async () => {
    const results = await audit()
    const notices = Object.entries(REFUSED_AGAINST_CSRF).map(([id, name]) => [id, `notice ${name}`])
    expect(missed(results)).toEqual(Object.fromEntries(notices))
    expect(results).toHaveLength(61)
    expect(results.filter(({ status }) => status === 'ok')).toHaveLength(58)
  })

  it('passes all 61 for a client whose header shows that it is not a form of another page', async () => {
    expect(missed(await audit({ 'apollo-require-preflight': 'true' }))).toEqual({})
  })

  const statusOf = async (accept: string, body: object) => {
    const client = await gateway.as({ roles: ['ADMIN'] })
    return (await client.send(body, { accept })).status
  }

  it.each([
    ['application/json', 200],
    ['application/json; charset=utf-8', 200],
    ['application/graphql-response+json', 400],
    ['application/graphql-response+json, application/json;q=0.9', 400],
    ['application/json, */*', 400],
    ['*/*', 400],
  ])('answers Accept: %s with %i if the document or its variables are wrong', async (accept, status) => {
    const wrong = [
      { query: '{' },
      { query: '{ unknown }' },
      { query: 'query($id: ID!) { prediction(id: $id) { id } }', variables: { id: {} } },
    ]
    for (const body of wrong) expect(await statusOf(accept, body)).toBe(status)
  })

  it('answers failures in resolvers, or before GraphQL, with the status of their code, for any Accept header', async () => {
    const accept = 'application/json'
    const absent = `mutation { recordOutcome(input: {predictionId: "none", defaulted: true, observedAt: "2026-01-01T00:00:00Z"}) { prediction { id } } }`
    expect(await statusOf(accept, { query: absent })).toBe(404)
    const nothing = 'mutation { predictRiskBatch(input: {items: []}) { results { index } } }'
    expect(await statusOf(accept, { query: nothing })).toBe(400)
    expect(await statusOf(accept, { query: 'subscription { highRiskScored { id } }' })).toBe(400)
    const anonymous = await (await gateway.as()).send({ query: '{' }, { accept })
    expect(anonymous.status).toBe(401)
  })
})
