import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../../../support/applicants.js'
import { createGatewaySchema, type GatewaySchema, STORED } from '../../support/gatewaySchema.js'
import { startApollo, type TestApollo } from '../../support/testApollo.js'

const GOOD = { applicantId: 'a', features: { consumerCredit: LOW_RISK } }
const predict = (variables: string, input: string) =>
  `mutation M${variables} { predictRisk(input: ${input}) { replayed prediction { ...P } } }
   fragment P on Prediction { applicantId channel probability band }`
const find = (variables: string, filter: string) => `query Q${variables} { predictions(filter: ${filter}) { nodes { id } } }`
const summary = (variables: string, argument: string) =>
  `query Q${variables} { riskSummary(from: "2026-11-20T00:00:00Z", to: "2026-11-21T12:00:00+01:00", ${argument}) { total bands { band share } buckets { start count } } }`
const WITH = predict('($i: PredictRiskInput!)', '$i')
const credit = (features: object) => ({ applicantId: 'a', features: { consumerCredit: features } })

type Case = [what: string, query: string, variables: Record<string, unknown> | undefined, codes: string[]]

const CASES: Case[] = [
  ['a good input', WITH, { i: GOOD }, []],
  ['a good input with nulls', WITH, { i: { ...GOOD, channel: null, idempotencyKey: null } }, []],
  ['two keys', WITH, { i: { applicantId: 'a', features: { consumerCredit: LOW_RISK, other: LOW_RISK } } }, ['BAD_USER_INPUT']],
  ['no key', WITH, { i: { applicantId: 'a', features: {} } }, ['BAD_USER_INPUT']],
  ['null for the key', WITH, { i: { applicantId: 'a', features: { consumerCredit: null } } }, ['BAD_USER_INPUT']],
  ['no features', WITH, { i: { applicantId: 'a' } }, ['BAD_USER_INPUT']],
  [
    'two keys in the document',
    predict('', '{applicantId: "a", features: {consumerCredit: {}, other: {}}}'),
    undefined,
    ['GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_VALIDATION_FAILED'],
  ],
  ['no key in the document', predict('', '{applicantId: "a", features: {}}'), undefined, ['GRAPHQL_VALIDATION_FAILED']],
  [
    'null for the key in the document',
    predict('', '{applicantId: "a", features: {consumerCredit: null}}'),
    undefined,
    ['GRAPHQL_VALIDATION_FAILED'],
  ],
  [
    'a nullable variable for the key',
    predict('($c: ConsumerCreditFeaturesInput)', '{applicantId: "a", features: {consumerCredit: $c}}'),
    { c: LOW_RISK },
    ['GRAPHQL_VALIDATION_FAILED'],
  ],
  [
    'a variable for the key',
    predict('($c: ConsumerCreditFeaturesInput!)', '{applicantId: "a", features: {consumerCredit: $c}}'),
    { c: LOW_RISK },
    [],
  ],
  [
    'a variable for the features',
    predict('($f: ModelFeaturesInput!)', '{applicantId: "a", features: $f}'),
    { f: { consumerCredit: HIGH_RISK } },
    [],
  ],
  [
    'variables for values',
    predict(
      '($a: ID!, $n: Float, $h: String, $b: Boolean)',
      '{applicantId: $a, channel: $h, features: {consumerCredit: {amount: $n, home: $h, records: $b}}}',
    ),
    { a: 7, n: 1, h: 'rent' },
    ['BAD_USER_INPUT'],
  ],
  ['1e39', WITH, { i: credit({ ...LOW_RISK, amount: 1e39 }) }, ['BAD_USER_INPUT']],
  ['1e400, Infinity in JSON', WITH, { i: credit({ ...LOW_RISK, amount: Number.POSITIVE_INFINITY }) }, ['BAD_USER_INPUT']],
  [
    '1e400 in the document',
    predict('', '{applicantId: "a", features: {consumerCredit: {amount: 1e400}}}'),
    undefined,
    ['BAD_USER_INPUT'],
  ],
  [
    '1e400 as a default',
    predict('($n: Float = 1e400)', '{applicantId: "a", features: {consumerCredit: {amount: $n}}}'),
    {},
    ['BAD_USER_INPUT'],
  ],
  [
    'wrong types',
    WITH,
    { i: credit({ amount: '1', seniority: [1], home: 5, records: 'true' }) },
    Array(4).fill('BAD_USER_INPUT'),
  ],
  ['unknown fields', WITH, { i: { ...credit({ amuont: 1 }), extra: 1 } }, ['BAD_USER_INPUT', 'BAD_USER_INPUT']],
  ['a key that every object has', WITH, { i: credit(JSON.parse('{"__proto__": {"amount": 1}}') as object) }, ['BAD_USER_INPUT']],
  ['a list for an object', WITH, { i: [GOOD] }, ['BAD_USER_INPUT']],
  ['no variable at all', WITH, undefined, ['BAD_USER_INPUT']],
  ['an extra variable', WITH, { i: GOOD, other: 1 }, []],
  [
    'a default for a required variable',
    predict('($i: ID! = 5)', '{applicantId: $i, features: {consumerCredit: {amount: 1}}}'),
    {},
    ['BAD_USER_INPUT'],
  ],
  [
    'null past the default of a variable, for a required argument',
    predict('($i: PredictRiskInput = {applicantId: "a", features: {consumerCredit: {}}})', '$i'),
    { i: null },
    ['BAD_USER_INPUT'],
  ],
  [
    'null past the default of a variable, for a required field',
    predict('($i: ID = "a")', '{applicantId: $i, features: {consumerCredit: {amount: 1}}}'),
    { i: null },
    ['BAD_USER_INPUT'],
  ],
  [
    'null past the default of a variable, for the features',
    predict('($f: ModelFeaturesInput = {consumerCredit: {}})', '{applicantId: "a", features: $f}'),
    { f: null },
    ['BAD_USER_INPUT'],
  ],
  ['null past a default in a list', find('($b: RiskBand = T3)', '{bands: [T1, $b]}'), { b: null }, ['BAD_USER_INPUT']],
  [
    'null past the default of a variable, for @skip',
    'query Q($s: Boolean = true) { viewer { id tenant @skip(if: $s) } }',
    { s: null },
    ['BAD_USER_INPUT'],
  ],
  ['one value for a list', find('($b: [RiskBand!])', '{bands: $b}'), { b: 'T7' }, []],
  ['a list with variables', find('($b: RiskBand!)', '{bands: [T1, $b, T8]}'), { b: 'T7' }, []],
  [
    'nested lists of a batch',
    'mutation M($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { index replayed prediction { band } errors { code message path } } } }',
    { i: [GOOD, credit({}), { ...GOOD, applicantId: '' }, GOOD] },
    [],
  ],
  [
    'an empty batch',
    'mutation M($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { index } } }',
    { i: [] },
    ['BAD_USER_INPUT'],
  ],
  [
    'null inside a batch',
    'mutation M($i: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $i}) { results { index } } }',
    { i: [GOOD, null] },
    ['BAD_USER_INPUT'],
  ],
  [
    'times and ranges in another order',
    find('($f: PredictionFilter)', '$f'),
    { f: { probability: { to: 1, from: 0 }, createdAt: { to: '2026-05-01T00:00:00+02:00' }, applicantId: 5 } },
    [],
  ],
  [
    'a time as a default',
    find('($d: DateTime = "2026-05-01T00:00:00Z")', '{createdAt: {from: $d, to: "2026-06-01T00:00:00Z"}}'),
    {},
    [],
  ],
  [
    'missing variables',
    'query Q($n: Int, $a: String, $o: PredictionOrder, $f: PredictionFilter) { predictions(first: $n, after: $a, orderBy: $o, filter: $f) { nodes { id } } }',
    {},
    [],
  ],
  [
    'variables that are null',
    'query Q($n: Int = 5, $a: String, $o: PredictionOrder = PROBABILITY_ASC) { predictions(first: $n, after: $a, orderBy: $o) { nodes { id } } }',
    { n: null, a: null, o: null },
    [],
  ],
  [
    'aliases, fragments and __typename',
    `query Q { a: prediction(id: "${STORED.id}") { x: id ...P } b: prediction(id: "none") { id } __typename } fragment P on Prediction { y: band applicant { id latestPrediction { createdAt } } features { name number category missing } ... on Prediction { __typename } }`,
    undefined,
    [],
  ],
  [
    '@skip and @include',
    'query Q($s: Boolean!, $i: Boolean = true) { viewer { id @skip(if: $s) tenant @include(if: $i) ...V @skip(if: $s) ... on Viewer @include(if: $i) { permissions } } } fragment V on Viewer { roles }',
    { s: true },
    [],
  ],
  [
    'everything skipped',
    'query Q($s: Boolean!) { viewer @skip(if: $s) { id } models @include(if: false) { name } }',
    { s: true },
    [],
  ],
  [
    'two errors side by side',
    'query Q { a: predictions(first: 0) { nodes { id } } b: predictions(first: 101) { nodes { id } } }',
    undefined,
    ['BAD_USER_INPUT'],
  ],
  [
    'a good and a bad mutation',
    `mutation M($i: PredictRiskInput!) { a: predictRisk(input: $i) { replayed } b: predictRisk(input: {applicantId: "", features: {consumerCredit: {}}}) { replayed } c: predictRisk(input: $i) { replayed } }`,
    { i: GOOD },
    ['BAD_USER_INPUT'],
  ],
  ['a default of a required argument', summary('', ''), undefined, []],
  ['a default of a required argument, given', summary('', 'interval: WEEK, timeZone: null'), undefined, []],
  ['a default of a required argument, null', summary('', 'interval: null'), undefined, ['GRAPHQL_VALIDATION_FAILED']],
  ...['$i: SummaryInterval', '$i: SummaryInterval!', '$i: SummaryInterval = MONTH', '$i: SummaryInterval! = MONTH'].flatMap(
    (declared): Case[] => {
      const query = summary(`(${declared})`, 'interval: $i')
      const isRequired = declared.includes('!')
      const isDefaulted = declared.includes('=')
      return [
        [`${declared} for it, given`, query, { i: 'HOUR' }, []],
        [`${declared} for it, null`, query, { i: null }, ['BAD_USER_INPUT']],
        [`${declared} for it, without a value`, query, {}, isRequired && !isDefaulted ? ['BAD_USER_INPUT'] : []],
      ]
    },
  ),
  ['a defaulted argument, its variable without a value', summary('($z: String)', 'timeZone: $z'), {}, []],
  ['a defaulted argument, its variable null', summary('($z: String)', 'timeZone: $z'), { z: null }, []],
  [
    'an outcome',
    'mutation M($i: RecordOutcomeInput!) { recordOutcome(input: $i) { prediction { id outcome { defaulted observedAt recordedBy } } } }',
    { i: { predictionId: STORED.id, defaulted: false, observedAt: '2026-06-01T00:00:00Z' } },
    [],
  ],
  [
    'a list of outcomes',
    'mutation M($a: ID!, $t: DateTime!) { recordOutcomes(input: {items: [{predictionId: $a, defaulted: true, observedAt: $t}, {predictionId: "x", defaulted: true, observedAt: $t}]}) { results { index prediction { outcome { defaulted } } errors { code path } } } }',
    { a: STORED.id, t: '2026-06-01T02:00:00+02:00' },
    [],
  ],
  [
    'an outcome observed on a day that does not exist',
    'mutation M($i: RecordOutcomeInput!) { recordOutcome(input: $i) { prediction { id } } }',
    { i: { predictionId: STORED.id, defaulted: false, observedAt: '2026-02-30' } },
    ['BAD_USER_INPUT'],
  ],
  [
    'the schema',
    'query Q { __schema { types { name fields { name args { name defaultValue } } } } __type(name: "ModelFeaturesInput") { isOneOf } }',
    undefined,
    [],
  ],
]

describe('an operation gives the same answer each time it is sent:', () => {
  let gateway: GatewaySchema
  let apollo: TestApollo
  beforeAll(async () => {
    gateway = await createGatewaySchema()
    apollo = await startApollo(gateway, 'ADMIN')
  })
  afterAll(() => apollo[Symbol.asyncDispose]())

  async function runOf(query: string, variables: Record<string, unknown> | undefined) {
    gateway.asked.length = 0
    gateway.recorder.recorded.length = 0
    apollo.reports.length = 0
    const { data, errors } = await apollo.ask(query, variables)
    return {
      data: structuredClone(data),
      codes: errors.map(({ code }) => code),
      asked: structuredClone(gateway.asked),
      scored: gateway.recorder.recorded.map(({ prediction, features }) => [prediction.applicantId, prediction.channel, features]),
      reports: [...apollo.reports],
    }
  }

  it.each(CASES)('%s', async (_what, query, variables, codes) => {
    const first = await runOf(query, variables)
    const second = await runOf(query, variables)
    const again = await runOf(query, variables)
    expect(first.codes).toEqual(codes)
    expect(first.reports).toEqual([])
    expect(second).toEqual(first)
    // The order of keys counts too, because a cursor holds a digest of its filter.
    expect(JSON.stringify(second)).toBe(JSON.stringify(first))
    expect(again).toEqual(first)
  })
})
