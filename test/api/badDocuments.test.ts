import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { CANARY, expectRefusal } from '../support/refused.js'
import { score, storedRows } from '../support/stored.js'

const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { prediction { id } } }'
const LIST = 'query($filter: PredictionFilter, $first: Int) { predictions(filter: $filter, first: $first) { nodes { id } } }'
const REST = 'time: 60, records: true, expenses: 60, amount: 1500, price: 1600'

const good = { applicantId: `${CANARY}-a`, idempotencyKey: `${CANARY}-k`, features: { consumerCredit: HIGH_RISK } }
const withFeatures = (features: unknown) => body(SCORE, { input: { ...good, features } })
const withFeature = (feature: Record<string, unknown>) => withFeatures({ consumerCredit: { ...HIGH_RISK, ...feature } })
const literal = (features: string) =>
  body(`mutation { predictRisk(input: {applicantId: "${CANARY}", features: {${features}}}) { replayed } }`)

function body(query: string, variables?: Record<string, unknown>): string {
  return JSON.stringify({ query, variables })
}

describe('a document', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    client = await gateway.as({ roles: ['ADMIN'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  /** Sends it three times, because the first send is parsed, the second finds its document, and later ones may be prepared. */
  async function refusedAlike(text: string, expected: { status: number; code: string }) {
    const before = await storedRows(gateway)
    const answers = []
    for (let use = 1; use <= 3; use++) {
      const answer = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body: text })
      expectRefusal(answer, expected)
      answers.push(answer.text)
    }
    expect(new Set(answers).size).toBe(1)
    expect(await storedRows(gateway)).toEqual(before)
    await expect(score(client, 'after')).resolves.toMatchObject({ applicantId: 'after' })
  }

  it.each<[string, string]>([
    ['1e400 as a literal', literal(`consumerCredit: {seniority: 1e400, ${REST}}`)],
    ['-1e400 as a literal', literal(`consumerCredit: {seniority: -1e400, ${REST}}`)],
    ['1e39 as a literal', literal(`consumerCredit: {seniority: 1e39, ${REST}}`)],
    ['1e39 in a variable', withFeature({ price: 1e39 })],
    ['1e400 in a variable', withFeature({ price: 'LARGE' }).replace('"LARGE"', '1e400')],
    ['the text NaN for a number', withFeature({ price: 'NaN' })],
    ['the text Infinity for a number', withFeature({ price: 'Infinity' })],
    ['a text for a number', withFeature({ price: CANARY })],
    ['a number for a category', withFeature({ home: 5 })],
    ['a list for a number', withFeature({ price: [1, 2] })],
    ['an object for a number', withFeature({ price: { [CANARY]: 1 } })],
    ['a text for a Boolean', withFeature({ records: 'false' })],
    ['an unknown category', withFeature({ home: CANARY })],
    ['a category followed by a space', withFeature({ home: 'owner ' })],
    ['an unknown feature', withFeature({ incomes: CANARY })],
    ['a feature named constructor', withFeature({ constructor: 1 })],
    ['a required feature that is null', withFeature({ price: null })],
    ['no key in features', withFeatures({})],
    ['null in the key of features', withFeatures({ consumerCredit: null })],
    ['two keys in features', withFeatures({ consumerCredit: HIGH_RISK, mortgage: HIGH_RISK })],
    ['another key in features', withFeatures({ mortgage: { name: CANARY } })],
    ['null for features', withFeatures(null)],
    ['a text for features', withFeatures(CANARY)],
    ['null for the input', body(SCORE, { input: null })],
    ['no input', body(SCORE, {})],
    ['a list for the input', body(SCORE, { input: [good, good] })],
    ['an over-long applicantId', body(SCORE, { input: { ...good, applicantId: CANARY.repeat(11) } })],
    ['an empty applicantId', body(SCORE, { input: { ...good, applicantId: '' } })],
    ['a NUL in applicantId', body(SCORE, { input: { ...good, applicantId: `${CANARY}\u0000` } })],
    ['a line break in applicantId', body(SCORE, { input: { ...good, applicantId: `${CANARY}\n` } })],
    ['half a surrogate pair in applicantId', body(SCORE, { input: { ...good, applicantId: `${CANARY}\ud800` } })],
    ['a direction mark in applicantId', body(SCORE, { input: { ...good, applicantId: `${CANARY}\u202e` } })],
    ['an object for applicantId', body(SCORE, { input: { ...good, applicantId: { value: CANARY } } })],
    ['a fraction for applicantId', body(SCORE, { input: { ...good, applicantId: 1.5 } })],
    ['a tab in the channel', body(SCORE, { input: { ...good, channel: `${CANARY}\t` } })],
    ['an empty channel', body(SCORE, { input: { ...good, channel: '' } })],
    ['a number for the channel', body(SCORE, { input: { ...good, channel: 7 } })],
    ['an empty idempotency key', body(SCORE, { input: { ...good, idempotencyKey: '' } })],
    ['an over-long idempotency key', body(SCORE, { input: { ...good, idempotencyKey: CANARY.repeat(22) } })],
    ['an unknown field of the input', body(SCORE, { input: { ...good, channels: CANARY } })],
    ['a page beyond 32 bits', body(LIST, { first: 3e9 })],
    ['a page of one and a half', body(LIST, { first: 1.5 })],
    ['an unknown band', body(LIST, { filter: { bands: [CANARY] } })],
    ['an invalid time', body(LIST, { filter: { createdAt: { from: CANARY } } })],
    ['the 30th of February', body(LIST, { filter: { createdAt: { from: '2026-02-30T00:00:00Z' } } })],
    ['a time as a number', body(LIST, { filter: { createdAt: { from: 1_700_000_000_000 } } })],
  ])('is BAD_USER_INPUT: %s', (_name, text) => refusedAlike(text, { status: 400, code: 'BAD_USER_INPUT' }))

  it.each<[string, string]>([
    ['an unknown field', body('{ viewer { tenants } }')],
    ['an unknown operation', body('mutation { predictRisks { id } }')],
    ['an unknown argument', body(`{ prediction(id: "${CANARY}", ids: 1) { id } }`)],
    ['a missing argument', body('{ prediction { id } }')],
    ['an object without selected fields', body('{ viewer }')],
    ['fields of a scalar', body('{ viewer { id { id } } }')],
    ['a fragment that spreads itself', body('{ viewer { ...A } } fragment A on Viewer { ...A }')],
    ['an undeclared variable', body('{ prediction(id: $id) { id } }')],
    ['a variable of another type', body('query($id: Int) { prediction(id: $id) { id } }', { id: 1 })],
    ['an unknown category without quotes', literal('consumerCredit: {home: castle}')],
    ['a text literal for a number', literal(`consumerCredit: {price: "${CANARY}"}`)],
    ['an unknown feature as a literal', literal('consumerCredit: {incomes: 1}')],
    ['no key in features, as a literal', literal('')],
    ['null in the key, as a literal', literal('consumerCredit: null')],
    ['two keys, as a literal', literal('consumerCredit: {}, mortgage: {}')],
    ['the same key twice', literal('consumerCredit: {}, consumerCredit: {}')],
    ['an unknown band as a literal', body(`{ predictions(filter: {bands: ["${CANARY}"]}) { nodes { id } } }`)],
    ['an invalid time as a literal', body(`{ predictions(filter: {createdAt: {to: "${CANARY}"}}) { nodes { id } } }`)],
    ['a text for a directive', body(`{ viewer { id @include(if: "${CANARY}") } }`)],
    ['an unknown directive', body('{ viewer { id @client } }')],
    ['the same field 900 times, which takes long to compare', body(`{ viewer { ${'id '.repeat(900)}} }`)],
    [
      'a nullable variable in the key of features',
      body(
        'mutation($f: ConsumerCreditFeaturesInput) { predictRisk(input: {applicantId: "a", features: {consumerCredit: $f}}) { replayed } }',
        {},
      ),
    ],
    [
      'a nullable variable in the key of features, given as null',
      body(
        'mutation($f: ConsumerCreditFeaturesInput = {}) { predictRisk(input: {applicantId: "a", features: {consumerCredit: $f}}) { replayed } }',
        { f: null },
      ),
    ],
  ])('fails validation: %s', (_name, text) => refusedAlike(text, { status: 400, code: 'GRAPHQL_VALIDATION_FAILED' }))

  it.each<[string, string]>([
    ['an unfinished document', body(`{ viewer { id } # ${CANARY}`)],
    ['an empty selection', body('{ }')],
    ['a comment without a document', body(`# ${CANARY}`)],
    ['an unterminated string', body(`{ prediction(id: "${CANARY}) { id } }`)],
    ['a control character', body(`{ viewer\u0000 { id } } # ${CANARY}`)],
    ['1,001 tokens', body(`{ viewer { ${'id '.repeat(996)}} }`)],
    ['a document of 60,000 braces', body('{'.repeat(60_000))],
  ])('is GRAPHQL_PARSE_FAILED: %s', (_name, text) => refusedAlike(text, { status: 400, code: 'GRAPHQL_PARSE_FAILED' }))

  it('may have 1,000 tokens', async () => {
    const query = `{ predictions(filter: {bands: [${'T8 '.repeat(981)}]}) { nodes { id } } }`
    const { status, errors } = await client.send({ query })
    expect({ status, errors }).toEqual({ status: 200, errors: undefined })
  })

  it.each<[string, string]>([
    ['over 64 KiB', body(`{ viewer { id } } #${' '.repeat(64 * 1024)}`)],
    ['over 64 KiB in characters of three bytes', body(`{ viewer { id } } #${'€'.repeat(22_000)}`)],
    [
      'fields nested nine deep',
      body(
        '{ applicant(id: "x") { latestPrediction { applicant { latestPrediction { applicant { latestPrediction { applicant { latestPrediction { id } } } } } } } } }',
      ),
    ],
    ['16 aliases', body(`{ viewer { ${Array.from({ length: 16 }, (_, i) => `a${i}: id`).join(' ')} } }`)],
    ['16 aliases of __typename', body(`{ ${Array.from({ length: 16 }, (_, i) => `a${i}: __typename`).join(' ')} }`)],
    [
      '16 aliases with its fragments expanded',
      body('{ viewer { ...A ...A } } fragment A on Viewer { ...B ...B ...B ...B } fragment B on Viewer { a: id b: id }'),
    ],
    ['an alias of 101 characters', body(`{ viewer { ${'a'.repeat(101)}: id } }`)],
    [
      '6 root fields of a mutation',
      body(
        `mutation { ${Array.from({ length: 6 }, (_, i) => `a${i}: eraseApplicant(input: {applicantId: "x"}) { erased }`).join(' ')} }`,
      ),
    ],
    [
      '6 root fields of a mutation through fragments',
      body('mutation { ...A ...A ...A } fragment A on Mutation { a: __typename b: __typename }'),
    ],
    [
      'a limit broken by the other operation of the document',
      JSON.stringify({
        operationName: 'A',
        query: `query A { viewer { id } } query B { ${Array.from({ length: 16 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
      }),
    ],
    ['pages of pages', body('{ predictions(first: 100) { nodes { applicant { predictions(first: 100) { nodes { id } } } } } }')],
    [
      'pages of pages through variables',
      body('query($n: Int) { predictions(first: $n) { nodes { applicant { predictions(first: $n) { nodes { id } } } } } }', {
        n: 100,
      }),
    ],
  ])('is QUERY_TOO_COMPLEX: %s', (_name, text) => refusedAlike(text, { status: 400, code: 'QUERY_TOO_COMPLEX' }))

  it.each<[string, string]>([
    [
      'fields nested eight deep',
      '{ applicant(id: "x") { latestPrediction { applicant { latestPrediction { applicant { latestPrediction { applicant { id } } } } } } } }',
    ],
    ['15 aliases', `{ viewer { ${Array.from({ length: 15 }, (_, i) => `a${i}: id`).join(' ')} } }`],
    ['an alias of 100 characters', `{ viewer { ${'a'.repeat(100)}: id } }`],
    [
      '5 root fields of a mutation',
      `mutation { ${Array.from({ length: 5 }, (_, i) => `a${i}: eraseApplicant(input: {applicantId: "x"}) { erased }`).join(' ')} }`,
    ],
    ['64 KiB', `{ viewer { id } }${' '.repeat(64 * 1024 - 17)}`],
  ])('may have %s', async (_name, query) => {
    for (let use = 1; use <= 3; use++) {
      const { status, errors } = await client.send({ query })
      expect({ status, errors }).toEqual({ status: 200, errors: undefined })
    }
  })

  it.each<[string, Record<string, unknown>]>([
    ['an operation name that does not exist', { query: 'query A { viewer { id } }', operationName: CANARY }],
    ['no operation name for two operations', { query: 'query A { viewer { id } } query B { viewer { id } }' }],
    ['an empty query', { query: '' }],
    ['a digest in place of a query', { extensions: { persistedQuery: { version: 1, sha256Hash: CANARY } } }],
  ])('is BAD_REQUEST: %s', (_name, request) => refusedAlike(JSON.stringify(request), { status: 400, code: 'BAD_REQUEST' }))

  it('is SUBSCRIPTION_REQUIRES_WEBSOCKET: a subscription by POST', () =>
    refusedAlike(body(`subscription { highRiskScored(after: "${CANARY}") { id } }`), {
      status: 400,
      code: 'SUBSCRIPTION_REQUIRES_WEBSOCKET',
    }))

  it.each<[string, string, Record<string, unknown>, unknown]>([
    ['a default', 'query($first: Int = 1) { predictions(first: $first) { nodes { band } } }', {}, 1],
    ['a directive', 'query($a: Boolean!) { viewer { id @skip(if: $a) tenant @include(if: $a) } }', { a: true }, undefined],
    [
      'fragments and aliases',
      '{ a: viewer { ...V } b: viewer { ... on Viewer { roles } } } fragment V on Viewer { i: id }',
      {},
      undefined,
    ],
    ['introspection', '{ __schema { types { name } } __type(name: "Query") { fields { name } } __typename }', {}, undefined],
    [
      'an enum that is null',
      'query($o: PredictionOrder) { predictions(first: 1, orderBy: $o) { nodes { band } } }',
      { o: null },
      1,
    ],
    ['an enum that is absent', 'query($o: PredictionOrder) { predictions(first: 1, orderBy: $o) { nodes { band } } }', {}, 1],
    ['a language', 'query($l: Locale) { models { contract { description(locale: $l) } } }', { l: 'ES' }, undefined],
    [
      'an absent variable within an input',
      'query($c: String) { predictions(first: 1, filter: {channel: $c}) { nodes { band } } }',
      {},
      1,
    ],
  ])('gets the same answer from both executors with %s', async (_name, query, variables, nodes) => {
    await score(client, 'alike')
    const answers = []
    for (let use = 1; use <= 3; use++) answers.push(await client.send(JSON.parse(body(query, variables))))
    expect(answers[0]?.errors).toBeUndefined()
    for (const { data, errors } of answers) expect({ data, errors }).toEqual({ data: answers[0]?.data, errors: undefined })
    if (nodes !== undefined) expect(answers[0]?.data).toMatchObject({ predictions: { nodes: [{ band: expect.any(String) }] } })
  })
})
