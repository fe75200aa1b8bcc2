import { GraphQLError, getVariableValues, parse, subscribe, validate } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError, ERROR_CODES } from '../../../src/errors.js'
import { errorBody, publicError, statusOf } from '../../../src/server/formatError.js'
import { createGatewaySchema, type GatewaySchema } from '../support/gatewaySchema.js'
import { startApollo, type TestApollo } from '../support/testApollo.js'

const CANARY = 'canary7391'
const PREDICT = 'mutation ($i: PredictRiskInput!) { predictRisk(input: $i) { replayed } }'
const hostileKey = `x: 1 } at "${CANARY}"; Field "${CANARY}" is not defined by type "${CANARY}". Exactly one key`

/** Documents and variables whose values graphql-js repeats in its error messages. */
const ECHOING: [what: string, query: string, variables?: Record<string, unknown>][] = [
  ['a text for an Int', `{ predictions(first: "${CANARY}") { nodes { id } } }`],
  ['a text for an Int variable', 'query ($n: Int) { predictions(first: $n) { nodes { id } } }', { n: CANARY }],
  ['a fraction for an Int variable', 'query ($n: Int) { predictions(first: $n) { nodes { id } } }', { n: 7391.5 }],
  ['an Int past 32 bits', '{ predictions(first: 73917391739) { nodes { id } } }'],
  ['an object for a text', `{ predictionByKey(idempotencyKey: {a: "${CANARY}"}) { id } }`],
  ['an enum name for a text', `{ predictionByKey(idempotencyKey: ${CANARY}) { id } }`],
  ['an object for an ID variable', 'query ($i: ID!) { prediction(id: $i) { id } }', { i: { a: CANARY } }],
  ['a text for a Boolean', `{ predictions(filter: {highRisk: "${CANARY}"}) { nodes { id } } }`],
  ['an unknown enum name', `{ predictions(filter: {bands: [${CANARY}]}) { nodes { id } } }`],
  [
    'an unknown enum name in a variable',
    'query ($b: [RiskBand!]) { predictions(filter: {bands: $b}) { nodes { id } } }',
    { b: ['T1', CANARY] },
  ],
  ['a text for an enum', `{ predictions(orderBy: "${CANARY}") { nodes { id } } }`],
  ['a text for a time', `{ predictions(filter: {createdAt: {from: "${CANARY}"}}) { nodes { id } } }`],
  ['a number for a time', '{ predictions(filter: {createdAt: {from: 7391}}) { nodes { id } } }'],
  [
    'a text for a time in a variable',
    'query ($d: DateTime) { predictions(filter: {createdAt: {from: $d}}) { nodes { id } } }',
    { d: CANARY },
  ],
  ['a text for an object', `mutation { predictRisk(input: "${CANARY}") { replayed } }`],
  [
    'a block string that looks like an error message',
    `mutation { predictRisk(input: """\n; Field "${CANARY}" is not defined by type "T".\n""") { replayed } }`,
  ],
  ['a list for an object', PREDICT, { i: [CANARY] }],
  ['a text for a number deep inside', PREDICT, { i: { applicantId: CANARY, features: { consumerCredit: { amount: CANARY } } } }],
  ['an unknown feature', PREDICT, { i: { applicantId: CANARY, features: { consumerCredit: { amuont: CANARY } } } }],
  ['two models at once', PREDICT, { i: { applicantId: CANARY, features: { consumerCredit: {}, other: { a: CANARY } } } }],
  ['no model', PREDICT, { i: { applicantId: CANARY, features: {} } }],
  ['null for a model', PREDICT, { i: { applicantId: CANARY, features: { consumerCredit: null } } }],
  ['a missing field', PREDICT, { i: { applicantId: CANARY } }],
  ['null for a required variable', PREDICT, { i: null }],
  ['a missing variable', PREDICT, {}],
  ['keys that look like an error message', PREDICT, { i: { [hostileKey]: 1, applicantId: { [hostileKey]: 1 } } }],
  [
    'null for a field with a default, in a literal',
    `mutation ($a: ID = "x") { predictRisk(input: {applicantId: $a, channel: "${CANARY}", features: {consumerCredit: {amount: 1}}}) { replayed } }`,
    { a: null },
  ],
  ['a text that cannot be parsed', `{ predictions(first: "${CANARY}) }`],
  ['a misplaced word', `{ viewer } ${CANARY}`],
  ['a default of the wrong type', `query ($n: Int = "${CANARY}") { predictions(first: $n) { nodes { id } } }`],
  ['a directive with a text', `{ viewer @skip(if: "${CANARY}") { id } }`],
  ['two arguments that differ', `{ a: prediction(id: "${CANARY}") { id } a: prediction(id: "b") { id } }`],
]

describe('an error of a request', () => {
  let gateway: GatewaySchema
  let apollo: TestApollo
  beforeAll(async () => {
    gateway = await createGatewaySchema()
    apollo = await startApollo(gateway, 'ADMIN')
  })
  afterAll(() => apollo[Symbol.asyncDispose]())
  beforeEach(() => {
    apollo.reports.length = 0
  })

  it.each(ECHOING)(
    'for %s repeats no value and has a code for a mistake of the caller, the first and the second time',
    async (_what, query, variables) => {
      for (let use = 1; use <= 2; use++) {
        const { errors } = await apollo.ask(query, variables)
        expect(errors).not.toHaveLength(0)
        for (const { message, code, extensions } of errors) {
          expect(['BAD_USER_INPUT', 'GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_PARSE_FAILED']).toContain(code)
          expect(`${message}${JSON.stringify(extensions)}`).not.toMatch(/canary|7391/i)
        }
        expect(apollo.reports).toEqual([])
      }
    },
  )

  it('names the variable, and the path within it', async () => {
    const { errors } = await apollo.ask(PREDICT, {
      i: { applicantId: 'a', features: { consumerCredit: { amount: 'x', amuont: 1 } }, channel: ['x'] },
    })
    expect(errors.map(({ message }) => message)).toEqual([
      'Variable "$i" is not of the declared type at "i.features.consumerCredit.amount".',
      'Variable "$i" has a field "amuont" at "i.features.consumerCredit" that type "ConsumerCreditFeaturesInput" does not define.',
      'Variable "$i" is not of the declared type at "i.channel".',
    ])
  })

  it.each([
    ['a field', '{ viewr { id } }'],
    ['a field of a type', '{ viewer { idd } }'],
    ['a type', 'query ($i: PredictRiskInputt) { viewer { id } }'],
    ['an argument', '{ predictions(frist: 1) { nodes { id } } }'],
    ['an input field', '{ predictions(filter: {highRiks: true}) { nodes { id } } }'],
    ['an enum name', '{ predictions(orderBy: CREATED_AT_DSC) { nodes { id } } }'],
  ])('suggests no name for %s, over HTTP or WebSocket', async (_what, query) => {
    const { errors } = await apollo.ask(query)
    expect(errors).not.toHaveLength(0)
    const suggesting = validate(gateway.schema, parse(query)).filter(({ message }) => message.includes('Did you mean'))
    expect(suggesting).not.toHaveLength(0)
    const overSocket = suggesting.map(error =>
      publicError({ ...error.toJSON(), extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }, error, () => {}),
    )
    for (const { message } of [...errors, ...overSocket]) expect(message).not.toMatch(/did you mean/i)
  })

  it('for an unknown operation name does not repeat the name', async () => {
    const { errors } = await apollo.ask('query A { viewer { id } } query B { viewer { id } }', {}, CANARY)
    expect(errors).toMatchObject([{ code: 'BAD_REQUEST', message: expect.not.stringContaining(CANARY) }])
    expect(apollo.reports).toEqual([])
  })

  it('for a subscription also has a code for a mistake of the caller', async () => {
    const result = await subscribe({
      schema: gateway.schema,
      document: parse('subscription ($a: String) { highRiskScored(after: $a) { id } }'),
      variableValues: { a: { [CANARY]: CANARY } },
      contextValue: gateway.contextOf('ADMIN'),
    })
    const [error] = 'errors' in result ? (result.errors ?? []) : []
    expect(error).toBeInstanceOf(GraphQLError)
    const shown = publicError(error?.toJSON() ?? { message: '' }, error, (_id, unexpected) => apollo.reports.push(unexpected))
    expect(shown).toMatchObject({ message: 'Variable "$a" is not of the declared type.', extensions: { code: 'BAD_USER_INPUT' } })
    expect(apollo.reports).toEqual([])
  })

  it('is short, however long names are and however many places it concerns', async () => {
    const spread = Array.from(
      { length: 90 },
      (_, i) => `fragment ${'n'.repeat(600)}${i} on Viewer { ...${'n'.repeat(600)}${(i + 1) % 90} }`,
    )
    const documents = [
      `{ viewer { ${'x'.repeat(60_000)} } }`,
      `{ viewer { id } } ${Array.from({ length: 120 }, (_, i) => `query ${'y'.repeat(250)}${i % 2} { viewer { z } }`).join(' ')}`,
      `{ viewer { ...${'n'.repeat(600)}0 } } ${spread.join(' ')}`,
    ]
    for (const query of documents) {
      const { errors } = await apollo.ask(query)
      expect(errors.length).toBeLessThanOrEqual(21)
      for (const { message, code } of errors) {
        expect(code).toBe('GRAPHQL_VALIDATION_FAILED')
        expect(message.length).toBeLessThanOrEqual(300)
      }
    }
    expect(apollo.reports).toEqual([])
  })

  it('for too many mistakes at once lists only the first ones', async () => {
    const items = Array.from({ length: 2_000 }, () => ({ [CANARY]: CANARY }))
    const query = 'mutation ($b: PredictRiskBatchInput!) { predictRiskBatch(input: $b) { results { index } } }'
    const { errors } = await apollo.ask(query, { b: { items } })
    expect(errors.length).toBeLessThanOrEqual(51)
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['BAD_USER_INPUT']))
    expect(apollo.reports).toEqual([])
  })
})

describe('publicError', () => {
  const reported: [string, unknown][] = []
  const report = (id: string, error: unknown) => reported.push([id, error])

  it('shows only an id of an unknown error, and reports the error with that id', () => {
    const cause = new TypeError(`Cannot read ${CANARY}`)
    const error = new GraphQLError(cause.message, { path: ['predictRisk'], originalError: cause })
    const shown = publicError(
      { ...error.toJSON(), extensions: { code: 'INTERNAL_SERVER_ERROR', stacktrace: [CANARY] } },
      error,
      report,
    )
    const [id, unexpected] = reported.pop() ?? []
    expect(shown).toEqual({
      message: 'Something went wrong on our side.',
      path: ['predictRisk'],
      extensions: { code: 'INTERNAL_SERVER_ERROR', errorId: id },
    })
    expect(unexpected).toBe(cause)
  })

  it.each(['NOT_A_CODE', 'toString', 'INTERNAL_SERVER_ERROR', 7, undefined])(
    'treats an error with the code %j as unknown',
    code => {
      const shown = publicError({ message: CANARY, extensions: { code } }, new Error(CANARY), report)
      expect(shown.extensions).toMatchObject({ code: 'INTERNAL_SERVER_ERROR', errorId: reported.pop()?.[0] })
      expect(shown.message).not.toContain(CANARY)
    },
  )

  it("treats a resolver's error that reads like one of graphql-js as unknown", () => {
    const cause = new Error('Variable "$a" got invalid value 1')
    publicError({ message: cause.message }, new GraphQLError(cause.message, { originalError: cause }), report)
    expect(reported.pop()?.[1]).toBe(cause)
  })

  it('shows the code of an expected error, its problems, and whether to retry', () => {
    const problems = [{ code: 'BAD_USER_INPUT', message: 'amount is required.', path: ['amount'] }] as const
    const bad = new AppError('BAD_USER_INPUT', 'Wrong.', { problems })
    const cause = new Error(CANARY)
    const away = new AppError('SERVICE_UNAVAILABLE', 'Away.', { cause })
    const shownOf = (error: AppError) => publicError({ message: '' }, new GraphQLError('', { originalError: error }), report)
    expect(shownOf(bad)).toEqual({ message: 'Wrong.', extensions: { code: 'BAD_USER_INPUT', problems } })
    expect(shownOf(away)).toEqual({ message: 'Away.', extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } })
    expect(errorBody(away).errors).toEqual([shownOf(away)])
    expect(reported).toEqual([])
  })

  it('knows the status of every code, and 500 for any other', () => {
    for (const [code, { status }] of Object.entries(ERROR_CODES)) expect(statusOf(code)).toBe(status)
    for (const code of [undefined, 'NOT_A_CODE', 7]) expect(statusOf(code)).toBe(500)
  })
})

it('graphql-js still repeats values in the messages that these tests rely on', async () => {
  const { schema } = await createGatewaySchema()
  const [definition] = parse(PREDICT).definitions
  const definitions = definition?.kind === 'OperationDefinition' ? (definition.variableDefinitions ?? []) : []
  const { errors } = getVariableValues(schema, definitions, { i: { applicantId: { a: CANARY } } })
  expect(errors?.[0]?.message).toContain(CANARY)
})
