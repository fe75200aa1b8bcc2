import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { storedRows } from '../support/stored.js'

const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }'
const body = JSON.stringify({ query: SCORE, variables: { input: { applicantId: 'a', features: { consumerCredit: HIGH_RISK } } } })
const form = new URLSearchParams({ query: '{ viewer { id } }' })
const multipart = new FormData()
multipart.set('operations', body)

/** Requests that a browser sends for a page of any origin without a preflight. */
describe('a request that a browser sends without a preflight is refused', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    client = await gateway.as({ roles: ['ADMIN'] })
    // The document is known, so that the prepared operation could run it.
    for (let use = 1; use <= 4; use++) await client.send(body)
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it.each<[string, RequestInit, string?]>([
    ['GET without a custom header', { method: 'GET' }, `?${form}`],
    ['GET with the content type of a form', { method: 'GET', headers: { 'content-type': 'text/plain' } }, `?${form}`],
    ['HEAD', { method: 'HEAD' }, `?${form}`],
    ['text', { method: 'POST', headers: { 'content-type': 'text/plain' }, body }],
    ['text that claims to be JSON', { method: 'POST', headers: { 'content-type': 'text/plain; application/json' }, body }],
    ['text with a parameter', { method: 'POST', headers: { 'content-type': 'text/plain; charset=application/json' }, body }],
    ['text, then JSON', { method: 'POST', headers: { 'content-type': 'text/plain, application/json' }, body }],
    ['a form', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form.toString() }],
    ['JSON as a form', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body }],
    ['a multipart form', { method: 'POST', body: multipart }],
    ['no content type', { method: 'POST', headers: { 'content-type': '' }, body }],
    ['an invalid content type', { method: 'POST', headers: { 'content-type': 'json' }, body }],
  ])('%s', async (_what, init, search = '') => {
    const before = await storedRows(gateway)
    for (let use = 1; use <= 2; use++) {
      const answer = await client.raw(init, search)
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      if (init.method !== 'HEAD')
        expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] })
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each(['a[b', 'a b', '%', '\u00a0'])('an invalid Host header (%j), for a known operation or not', async host => {
    const { hostname, port } = new URL(gateway.url)
    const headers = { host, 'content-type': 'application/json', authorization: `Bearer ${await signToken({ roles: ['ADMIN'] })}` }
    const status = await new Promise(resolve => {
      const request = httpRequest({ hostname, port, path: '/graphql', method: 'POST', headers, agent: false }, response => {
        resolve(response.resume().statusCode)
      })
      request.end('{"query": "{ viewer { tenant } }"}')
    })
    expect(status).toBe(400)
  })

  it('but GET with a header that needs a preflight is accepted', async () => {
    const answer = await client.raw({ method: 'GET', headers: { 'apollo-require-preflight': '1' } }, `?${form}`)
    expect(answer.status).toBe(200)
  })

  it.each<[string, unknown]>([
    ['a list of two requests', [{ query: '{ viewer { id } }' }, { query: '{ viewer { id } }' }]],
    ['a list of one known request', [JSON.parse(body)]],
    ['an empty list', []],
  ])('and so is %s, because a request holds one operation', async (_what, list) => {
    const answer = await client.raw({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(list),
    })
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] })
  })
})
