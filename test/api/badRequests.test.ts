import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { signToken, startGateway, TEST_SECRET, type TestGateway } from '../support/gateway.js'
import { CANARY, expectRefusal } from '../support/refused.js'
import { score, storedRows } from '../support/stored.js'

const BODY_LIMIT = 16 * 1024
const JSON_TYPE = { 'content-type': 'application/json' }
const LATIN_1 = Buffer.from(
  JSON.stringify({
    query: 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }',
    variables: { input: application(`Jos\u00e9-${CANARY}`) },
  }),
  'latin1',
)
const VIEWER = JSON.stringify({ query: '{ viewer { id } }' })
const MUTATION = `mutation { predictRisk(input: {applicantId: "${CANARY}", features: {consumerCredit: {}}}) { replayed } }`

let gateway: TestGateway
let client: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway({ RISKGATE_BODY_LIMIT_BYTES: String(BODY_LIMIT) })
  client = await gateway.as({ roles: ['ADMIN'] })
})
afterAll(() => gateway[Symbol.asyncDispose]())

async function refused(init: RequestInit, search = '', expected = { status: 400, code: 'BAD_REQUEST' }) {
  const before = await storedRows(gateway)
  expectRefusal(await client.raw({ method: 'POST', headers: JSON_TYPE, ...init }, search), expected)
  expect(await storedRows(gateway)).toEqual(before)
  await expect(score(client, 'after')).resolves.toMatchObject({ applicantId: 'after' })
}

describe('a malformed request', () => {
  it.each<[string, RequestInit]>([
    ['malformed JSON', { body: `{"query": "${CANARY}` }],
    ['JSON followed by more text', { body: `${VIEWER} ${CANARY}` }],
    ['the value NaN, which is not JSON', { body: '{"query": "{ viewer { id } }", "variables": {"x": NaN}}' }],
    ['an empty body', { body: '' }],
    ['null', { body: 'null' }],
    ['a number', { body: '5' }],
    ['a text', { body: `"${CANARY}"` }],
    ['an object without a query', { body: `{"${CANARY}": 1}` }],
    ['a query that is not a text', { body: '{"query": {"a": 1}}' }],
    ['a list of operations', { body: `[${VIEWER},${VIEWER}]` }],
    ['variables as a text', { body: JSON.stringify({ query: '{ viewer { id } }', variables: CANARY }) }],
    ['variables as a list', { body: JSON.stringify({ query: '{ viewer { id } }', variables: [CANARY] }) }],
    ['an object as operation name', { body: JSON.stringify({ query: '{ viewer { id } }', operationName: { a: CANARY } }) }],
    ['extensions as a text', { body: JSON.stringify({ query: '{ viewer { id } }', extensions: CANARY }) }],
    ['a __proto__ in the body', { body: `{"query": "{ viewer { id } }", "__proto__": {"x": "${CANARY}"}}` }],
    ['bytes of Latin-1', { body: LATIN_1 }],
    ['text in UTF-16', { body: Buffer.from(VIEWER, 'utf16le') }],
    ['half a character', { body: Buffer.from([...Buffer.from('{"query":"{ viewer { id } } # '), 0xc3, 0x22, 0x7d]) }],
    ['a charset other than UTF-8', { headers: { 'content-type': 'application/json; charset="ISO-8859-1"' }, body: VIEWER }],
    ['a compressed body', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: gzipSync(VIEWER) }],
    ['a plain text', { headers: { 'content-type': 'text/plain' }, body: VIEWER }],
    ['XML', { headers: { 'content-type': 'application/xml' }, body: `<${CANARY}/>` }],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `query=${CANARY}` }],
    [
      'a multipart form',
      { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: `--x\r\n\r\n${CANARY}\r\n--x--` },
    ],
    ['an invalid content type', { headers: { 'content-type': CANARY }, body: VIEWER }],
  ])('is refused: %s', (_name, init) => refused(init))

  it.each<[string, string, Record<string, string>]>([
    ['a mutation', `?query=${encodeURIComponent(MUTATION)}`, { 'apollo-require-preflight': '1' }],
    ['a query that a page of another origin could send', `?query=${encodeURIComponent('{ viewer { id } }')}`, {}],
    ['variables that are not JSON', `?query={viewer{id}}&variables={${CANARY}`, { 'apollo-require-preflight': '1' }],
    ['bytes of Latin-1 in the document', '?query={viewer{id}}%23%E9', { 'apollo-require-preflight': '1' }],
    ['bytes of Latin-1 in the variables', '?query={viewer{id}}&variables={"a":"Jos%E9"}', { 'apollo-require-preflight': '1' }],
    ['bytes of Latin-1 in the name', '?query=query A{viewer{id}}&operationName=%E9', { 'apollo-require-preflight': '1' }],
    ['bytes of Latin-1 in the extensions', '?query={viewer{id}}&extensions={"a":"%E9"}', { 'apollo-require-preflight': '1' }],
    ['nothing', '', { 'apollo-require-preflight': '1' }],
    ['a request for HTML', '', { accept: 'text/html' }],
  ])('is refused as GET: %s', (_name, search, headers) => refused({ method: 'GET', headers }, search))

  it('is refused for an unsupported method', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH'])
      await refused({ method, body: VIEWER }, '', { status: 405, code: 'BAD_REQUEST' })
  })

  it('is refused if its URL cannot be decoded, without repeating the URL', async () => {
    for (const path of [`/${CANARY}%E0%A4%A`, `/graphql/%${CANARY}`]) {
      const response = await fetch(`${gateway.url}${path}`)
      const { status, headers } = response
      expect(headers.get('x-request-id')).not.toBeNull()
      expectRefusal({ status, headers, text: await response.text() }, { status: 400, code: 'BAD_REQUEST' })
    }
  })
})

describe('text of another code than UTF-8', () => {
  it.each(['utf-8', 'UTF8', '"utf-8"'])('a body that says it is UTF-8 is taken: charset=%s', async charset => {
    const headers = { 'content-type': `application/json; charset=${charset}` }
    expect((await client.raw({ method: 'POST', headers, body: VIEWER })).status).toBe(200)
  })

  it('is named in a sentence', async () => {
    const { text } = await client.raw({ method: 'POST', headers: JSON_TYPE, body: LATIN_1 })
    expect(JSON.parse(text)).toMatchObject({ errors: [{ message: 'The request body is not UTF-8. Send JSON in UTF-8.' }] })
  })

  it('is refused for server-sent events', async () => {
    const subscribe = (text: string) => `subscription { highRiskScored { id } } # ${text}`
    const body = Buffer.from(JSON.stringify({ query: subscribe('Jos\u00e9') }), 'latin1')
    expect(await client.openStream(null, { body })).toEqual([expect.stringContaining('The request body is not UTF-8.')])
    const search = `?query=${encodeURIComponent(subscribe(''))}Jos%E9`
    expect(await client.openStream(null, { method: 'GET', body: null }, search)).toEqual([
      expect.stringContaining('The address of the request cannot be decoded.'),
    ])
  })
})

describe('a large body', () => {
  const tooLarge = JSON.stringify({ query: '{ viewer { id } }', variables: { x: CANARY.repeat(BODY_LIMIT / CANARY.length) } })

  it('is refused by its declared length', () => refused({ body: tooLarge }, '', { status: 413, code: 'PAYLOAD_TOO_LARGE' }))

  it('is refused once its chunks, without a declared length, go over the limit', async () => {
    const before = await storedRows(gateway)
    const token = await signToken({ roles: ['ADMIN'] })
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const call = request(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: { ...JSON_TYPE, authorization: `Bearer ${token}`, 'transfer-encoding': 'chunked' },
      })
      call.on('response', async response => {
        let text = ''
        for await (const part of response) text += part
        resolve({ status: response.statusCode ?? 0, text })
      })
      call.on('error', reject)
      call.end(tooLarge)
    })
    const headers = new Headers(JSON_TYPE)
    expectRefusal({ ...answer, headers }, { status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('is accepted if it is exactly at the limit', async () => {
    const query = '{ viewer { id } }'
    const empty = JSON.stringify({ query, variables: { x: '' } })
    const { status } = await client.send({ query, variables: { x: 'x'.repeat(BODY_LIMIT - empty.length) } })
    expect(status).toBe(200)
  })
})

describe('a caller', () => {
  const secret = Buffer.from(TEST_SECRET)
  const claims = (alg = 'HS256') =>
    new SignJWT({ tenant: 'default', roles: ['ADMIN'] }).setProtectedHeader({ alg }).setSubject(CANARY)
  const signed = (jwt: SignJWT, key = secret) => jwt.sign(key)
  const complete = () => claims().setIssuer('riskgate').setAudience('riskgate').setExpirationTime('1h')
  const unsigned = () => {
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url')
    return `${encode({ alg: 'none' })}.${encode({ iss: 'riskgate', aud: 'riskgate', sub: CANARY, exp: 2e9, roles: ['ADMIN'] })}.`
  }

  it.each<[string, () => Promise<string | undefined> | string | undefined]>([
    ['no token', () => undefined],
    ['garbage', () => CANARY],
    ['three parts of garbage', () => `${CANARY}.${CANARY}.${CANARY}`],
    ['a token of another issuer', () => signed(complete().setIssuer('elsewhere'))],
    ['a token for another audience', () => signed(complete().setAudience('elsewhere'))],
    ['a token under another key', () => signed(complete(), Buffer.from('another secret, also of 32 bytes or more'))],
    ['an expired token', () => signed(complete().setExpirationTime('-60s'))],
    ['a token that never expires', () => signed(claims().setIssuer('riskgate').setAudience('riskgate'))],
    ['a token that is not valid yet', () => signed(complete().setNotBefore('10m'))],
    ['a token without a subject', () => signed(complete().setSubject(''))],
    ['an unsigned token', () => unsigned()],
    [
      'a token with another algorithm',
      () => signed(claims('HS512').setIssuer('riskgate').setAudience('riskgate').setExpirationTime('1h')),
    ],
    [
      'a token that was changed',
      async () => (await signToken({ roles: ['SCORER'] })).replace(/\.[^.]+\./, `.${Buffer.from('{}').toString('base64url')}.`),
    ],
    ['a token that is too long', () => 'a'.repeat(9_000)],
  ])('is UNAUTHENTICATED with %s', async (_name, token) => {
    const caller = new GraphqlClient(gateway.url, await token())
    const before = await storedRows(gateway)
    const introspection = JSON.stringify({ query: '{ __schema { types { name } } }' })
    const scoring = JSON.stringify({ query: MUTATION })
    // An unauthenticated caller gets the same answer to every body, and so learns nothing.
    for (const body of [VIEWER, introspection, scoring, `{"query": "${CANARY}`, 'x'.repeat(BODY_LIMIT + 1)]) {
      const answer = await caller.raw({ method: 'POST', headers: JSON_TYPE, body })
      expectRefusal(answer, { status: 401, code: 'UNAUTHENTICATED' })
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each(['Basic dGVzdDp0ZXN0', 'Bearer', 'Bearer  ', 'Token abc'])(
    'is UNAUTHENTICATED with the header %j',
    async authorization => {
      const caller = new GraphqlClient(gateway.url, undefined)
      const answer = await caller.raw({ method: 'POST', headers: { ...JSON_TYPE, authorization }, body: VIEWER })
      expectRefusal(answer, { status: 401, code: 'UNAUTHENTICATED' })
    },
  )

  it('is UNAUTHENTICATED with the token in the URL', async () => {
    const token = await signToken({ roles: ['ADMIN'] })
    const caller = new GraphqlClient(gateway.url, undefined)
    const answer = await caller.raw(
      { method: 'POST', headers: JSON_TYPE, body: VIEWER },
      `?authorization=Bearer%20${token}&token=${token}`,
    )
    expectRefusal(answer, { status: 401, code: 'UNAUTHENTICATED' })
  })

  it('may read the schema with a valid token', async () => {
    const { status, data } = await client.send<{ __schema: { queryType: { name: string } } }>({
      query: '{ __schema { queryType { name } } }',
    })
    expect({ status, data }).toEqual({ status: 200, data: { __schema: { queryType: { name: 'Query' } } } })
  })

  it('gets no permission from an unknown role in the token', async () => {
    const token = await signed(
      new SignJWT({ roles: ['ROOT', 'admin', 5] })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('x')
        .setIssuer('riskgate')
        .setAudience('riskgate')
        .setExpirationTime('1h'),
    )
    const { status, errors } = await new GraphqlClient(gateway.url, token).send({
      query: 'mutation($i: PredictRiskInput!) { predictRisk(input: $i) { replayed } }',
      variables: { i: application('a') },
    })
    expect({ status, errors }).toMatchObject({ status: 403, errors: [{ extensions: { code: 'FORBIDDEN' } }] })
  })
})
