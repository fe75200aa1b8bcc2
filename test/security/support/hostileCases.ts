import { HIGH_RISK } from '../../support/applicants.js'

/** A malicious request. */
export interface HostileCase {
  readonly what: string
  readonly body: Readonly<Record<string, unknown>> | string
  /** The code of the refusal over POST, or `OK` if the request is harmless within the limits and is answered. */
  readonly code: string
}

const times = (count: number, make: (i: number) => string, between = ' ') =>
  Array.from({ length: count }, (_, i) => make(i)).join(between)
const nested = (levels: number, open: string, core: string, close = ' }') => open.repeat(levels) + core + close.repeat(levels)
const deepApplicant = (levels: number) =>
  `{ applicant(id: "a") { ${nested(levels, 'latestPrediction { applicant { ', 'id', ' } }')} } }`
const application = { applicantId: 'a', features: { consumerCredit: HIGH_RISK } }
const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }'
const BATCH =
  'mutation($items: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $items}) { results { index errors { code } } } }'
const PAGES = 'query($n: Int) { predictions(first: $n) { nodes { applicant { predictions(first: $n) { nodes { id } } } } } }'
const bomb = (levels: number, spreads: number, core = 'id') =>
  `{ viewer { ...F0 } } ${times(levels, i => `fragment F${i} on Viewer { ${times(spreads, () => `...F${i + 1}`)} }`)} fragment F${levels} on Viewer { ${core} }`

type Row = [what: string, code: string, query: string, variables?: unknown, rest?: object]

const DEEP: Row[] = [
  ['9 levels', 'QUERY_TOO_COMPLEX', deepApplicant(4)],
  ['200 levels', 'QUERY_TOO_COMPLEX', deepApplicant(100)],
  ['330 levels of one field', 'QUERY_TOO_COMPLEX', nested(330, '{ a', '', ' }').replace('{ a }', '{ a { b } }')],
  ['450 levels of inline fragments', 'OK', `{ viewer { ${nested(240, '... { ', 'id')} } }`],
  [
    'levels by fragments',
    'QUERY_TOO_COMPLEX',
    `{ applicant(id: "a") { ...F0 } } ${times(40, i => `fragment F${i} on Applicant { latestPrediction { applicant { ...F${i + 1} } } }`)} fragment F40 on Applicant { id }`,
  ],
  [
    'a field in itself by fragments',
    'GRAPHQL_VALIDATION_FAILED',
    '{ applicant(id: "a") { ...A } } fragment A on Applicant { latestPrediction { applicant { ...A } } }',
  ],
  ['60,000 braces', 'GRAPHQL_PARSE_FAILED', '{'.repeat(60_000)],
  ['60,000 brackets in a literal', 'GRAPHQL_PARSE_FAILED', `{ predictions(filter: {bands: ${'['.repeat(60_000)}`],
  [
    '470 lists in lists',
    'GRAPHQL_VALIDATION_FAILED',
    `{ predictions(filter: {bands: ${'['.repeat(470)}${']'.repeat(470)}}) { nodes { id } } }`,
  ],
  [
    '240 objects in objects',
    'GRAPHQL_VALIDATION_FAILED',
    `{ predictions(filter: ${nested(240, '{createdAt: ', '1', '}')}) { nodes { id } } }`,
  ],
  ['a type of 450 lists', 'GRAPHQL_VALIDATION_FAILED', `query($a: ${'['.repeat(450)}Int${']'.repeat(450)}) { viewer { id } }`],
]

const WIDE: Row[] = [
  ['16 aliases', 'QUERY_TOO_COMPLEX', `{ ${times(16, i => `a${i}: viewer { id }`)} }`],
  ['300 aliases', 'QUERY_TOO_COMPLEX', `{ viewer { ${times(300, i => `a${i}: id`)} } }`],
  ['300 aliases of __typename', 'QUERY_TOO_COMPLEX', `{ ${times(300, i => `a${i}: __typename`)} }`],
  ['one alias 300 times', 'QUERY_TOO_COMPLEX', `{ viewer { ${'a: id '.repeat(300)} } }`],
  [
    '15 aliases 15 times by a fragment',
    'QUERY_TOO_COMPLEX',
    `{ ${times(15, i => `a${i}: viewer { ...F }`)} } fragment F on Viewer { ${times(15, i => `b${i}: id`)} }`,
  ],
  ['an alias of 60,000 characters', 'QUERY_TOO_COMPLEX', `{ predictions(first: 100) { nodes { ${'a'.repeat(60_000)}: id } } }`],
  ['an unknown field of 60,000 characters', 'GRAPHQL_VALIDATION_FAILED', `{ ${'a'.repeat(60_000)} }`],
  [
    'a fragment name of 30,000 characters',
    'GRAPHQL_VALIDATION_FAILED',
    `{ ...${'a'.repeat(30_000)} } fragment ${'a'.repeat(30_000)} on Viewer { id }`,
  ],
  [
    'a variable name of 30,000 characters',
    'GRAPHQL_VALIDATION_FAILED',
    `query($${'a'.repeat(30_000)}: Int!) { predictions(first: $${'a'.repeat(30_000)}b) { nodes { id } } }`,
  ],
  ['the same field 900 times', 'GRAPHQL_VALIDATION_FAILED', `{ viewer { ${'id '.repeat(900)} } }`],
  ['the same object 240 times', 'OK', `{ ${'viewer { id } '.repeat(240)} }`],
  ['the same pair of objects 120 times', 'OK', `{ ${'viewer { id ... { tenant } } '.repeat(60)} }`],
  [
    '6 mutations',
    'QUERY_TOO_COMPLEX',
    `mutation { ${times(6, i => `a${i}: eraseApplicant(input: {applicantId: "x"}) { erased }`)} }`,
  ],
  [
    '80 mutations',
    'QUERY_TOO_COMPLEX',
    `mutation { ${times(70, () => 'eraseApplicant(input: {applicantId: "x"}) { erased }')} }`,
  ],
  [
    '80 mutations by fragments',
    'QUERY_TOO_COMPLEX',
    `mutation { ${times(40, () => '...F')} } fragment F on Mutation { eraseApplicant(input: {applicantId: "x"}) { erased } }`,
  ],
  ['1,000 tokens of a list', 'OK', `{ predictions(filter: {bands: [${'T8 '.repeat(981)}]}) { nodes { id } } }`],
  ['1,001 tokens', 'GRAPHQL_PARSE_FAILED', `{ predictions(filter: {bands: [${'T8 '.repeat(982)}]}) { nodes { id } } }`],
  ['30,000 fields', 'GRAPHQL_PARSE_FAILED', `{ ${'a '.repeat(30_000)} }`],
]

const FRAGMENTS: Row[] = [
  ['2 to the 90 fields', 'OK', bomb(90, 2)],
  ['2 to the 90 aliases', 'QUERY_TOO_COMPLEX', bomb(90, 2, 'a: id')],
  ['8 to the 30 fields', 'OK', bomb(28, 8)],
  [
    '2 to the 60 pages',
    'QUERY_TOO_COMPLEX',
    `query($n: Int) { applicant(id: "a") { ...F0 } } ${times(60, i => `fragment F${i} on Applicant { ...F${i + 1} ...F${i + 1} }`)} fragment F60 on Applicant { predictions(first: $n) { nodes { id } } }`,
    { n: 1 },
  ],
  ['a fragment in itself', 'GRAPHQL_VALIDATION_FAILED', '{ viewer { ...A } } fragment A on Viewer { ...A id }'],
  [
    'two fragments in each other',
    'GRAPHQL_VALIDATION_FAILED',
    '{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }',
  ],
  [
    'a circle of 110 fragments',
    'GRAPHQL_VALIDATION_FAILED',
    `{ viewer { ...F0 } } ${times(110, i => `fragment F${i} on Viewer { ...F${(i + 1) % 110} }`)}`,
  ],
  [
    '20 fragments, each in all others',
    'GRAPHQL_VALIDATION_FAILED',
    `{ viewer { ...F0 } } ${times(20, i => `fragment F${i} on Viewer { ${times(20, j => `...F${j}`)} }`)}`,
  ],
  [
    '110 fragments of one name',
    'GRAPHQL_VALIDATION_FAILED',
    `{ viewer { ...F } } ${times(110, () => 'fragment F on Viewer { id }')}`,
  ],
  [
    '120 unused fragments',
    'GRAPHQL_VALIDATION_FAILED',
    `{ viewer { id } } ${times(120, i => `fragment F${i} on Viewer { id }`)}`,
  ],
  ['480 spreads of missing fragments', 'GRAPHQL_VALIDATION_FAILED', `{ ${times(480, i => `...F${i}`)} }`],
  ['480 spreads of one fragment', 'OK', `{ ${'...F '.repeat(480)} } fragment F on Query { viewer { id } }`],
]

const OVERLAPS: Row[] = [
  [
    'many fields that differ under one name',
    'GRAPHQL_VALIDATION_FAILED',
    `{ viewer { id ${times(14, () => `id: tenant @include(if: true) ... { id }`)} } }`,
  ],
  ['arguments that differ, 60 times', 'GRAPHQL_VALIDATION_FAILED', `{ ${times(60, i => `prediction(id: "${i}") { id }`)} }`],
  ['arguments that differ, 110 times', 'GRAPHQL_VALIDATION_FAILED', `{ ${times(110, i => `prediction(id: "${i}") { id }`)} }`],
  [
    'objects that are compared pair by pair',
    'OK',
    `{ ${times(40, () => 'applicant(id: "a") { latestPrediction { id band ...P } predictions { nodes { id } } }')} } fragment P on Prediction { id band }`,
  ],
  [
    'fragments that are compared pair by pair',
    'OK',
    `{ viewer { ${times(90, i => `...F${i}`)} } } ${times(90, i => `fragment F${i} on Viewer { id }`)}`,
  ],
  ['inline fragments that are compared pair by pair', 'OK', `{ viewer { ${'... { id } '.repeat(190)} } }`],
  [
    'nested fields that are compared at each level',
    'OK',
    `{ ${'applicant(id: "a") { latestPrediction { applicant { latestPrediction { applicant { latestPrediction { id } } } } } } '.repeat(35)} }`,
  ],
  [
    'fragments nested in fields that are compared at each level',
    'QUERY_TOO_COMPLEX',
    `{ applicant(id: "a") { ${'...A '.repeat(60)} } } fragment A on Applicant { ${'latestPrediction { ...B } '.repeat(60)} } fragment B on Prediction { ${'applicant { id } '.repeat(60)} }`,
  ],
]

const DIRECTIVES: Row[] = [
  ['480 unknown directives on a field', 'QUERY_TOO_COMPLEX', `{ viewer { id ${'@a'.repeat(480)} } }`],
  ['120 directives of one name on a field', 'QUERY_TOO_COMPLEX', `{ viewer { id ${'@skip(if: false) '.repeat(120)} } }`],
  ['one directive on each of 120 fields', 'OK', `{ viewer { ${'id @skip(if: false) '.repeat(120)} } }`],
  ['130 directives on an operation', 'QUERY_TOO_COMPLEX', `query ${'@skip(if: true) '.repeat(130)} { viewer { id } }`],
  [
    'directives of later times',
    'GRAPHQL_VALIDATION_FAILED',
    '{ predictions { nodes @stream(initialCount: 0) { id } ... @defer { pageInfo { endCursor } } } }',
  ],
]

const VALUES: Row[] = [
  ['a text literal of 60,000 characters', 'OK', `{ applicant(id: "${'x'.repeat(60_000)}") { id } }`],
  ['a block text of 60,000 characters', 'OK', `{ applicant(id: """${'x'.repeat(60_000)}""") { id } }`],
  ['a block text of 30,000 lines', 'OK', `{ applicant(id: """${' \n'.repeat(30_000)}""") { id } }`],
  ['30,000 escaped characters', 'OK', `{ applicant(id: "${'\\n'.repeat(30_000)}") { id } }`],
  ['a number of 60,000 digits', 'GRAPHQL_VALIDATION_FAILED', `{ predictions(first: ${'9'.repeat(60_000)}) { nodes { id } } }`],
  [
    'a fraction of 60,000 digits',
    'OK',
    `{ predictions(filter: {probability: {from: ${'9'.repeat(60_000)}.${'9'.repeat(5)}}}) { nodes { id } } }`,
  ],
  [
    'an unknown enum value of 60,000 characters',
    'GRAPHQL_VALIDATION_FAILED',
    `{ predictions(orderBy: ${'A'.repeat(60_000)}) { nodes { id } } }`,
  ],
  ['a name near thousands of others', 'GRAPHQL_VALIDATION_FAILED', `{ viewer { ${times(480, i => `i${i}`)} } }`],
  ['240 arguments of one name', 'GRAPHQL_VALIDATION_FAILED', `{ predictions(${'first: 1 '.repeat(300)}) { nodes { id } } }`],
  ['240 unknown arguments', 'GRAPHQL_VALIDATION_FAILED', `{ predictions(${times(300, i => `a${i}: 1`)}) { nodes { id } } }`],
  [
    '240 fields of an input under one name',
    'GRAPHQL_VALIDATION_FAILED',
    `{ predictions(filter: {${'model: "a" '.repeat(300)}}) { nodes { id } } }`,
  ],
  [
    '240 unknown fields of an input',
    'GRAPHQL_VALIDATION_FAILED',
    `{ predictions(filter: {${times(300, i => `a${i}: 1`)}}) { nodes { id } } }`,
  ],
  ['a page of two thousand million', 'BAD_USER_INPUT', '{ predictions(first: 2147483647) { nodes { id } } }'],
  [
    'a page of two thousand million through a variable',
    'BAD_USER_INPUT',
    'query($n: Int) { predictions(first: $n) { nodes { id } } }',
    { n: 2_147_483_647 },
  ],
  ['a page of negative size', 'BAD_USER_INPUT', 'query($n: Int) { predictions(first: $n) { nodes { id } } }', { n: -1 }],
  ['pages of pages', 'QUERY_TOO_COMPLEX', PAGES.replace('($n: Int)', '').replaceAll('$n', '100')],
  ['pages of pages through a variable', 'QUERY_TOO_COMPLEX', PAGES, { n: 100 }],
  ['pages of pages through a default of a variable', 'QUERY_TOO_COMPLEX', PAGES.replace('Int', 'Int = 100')],
  ['features of pages of pages', 'QUERY_TOO_COMPLEX', PAGES.replace('{ id }', '{ features { name } }'), { n: 20 }],
  [
    'a century of hours',
    'BAD_USER_INPUT',
    '{ riskSummary(from: "1900-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z", interval: HOUR) { buckets { bands { count } } } }',
  ],
  [
    'two summaries of 1,000 hours',
    'QUERY_TOO_COMPLEX',
    times(
      2,
      i =>
        `${i === 0 ? '{' : ''} a${i}: riskSummary(from: "2026-01-01T00:00:00Z", to: "2026-02-11T00:00:00Z", interval: HOUR) { buckets { bands { count } } } ${i === 1 ? '}' : ''}`,
    ),
  ],
]

const VARIABLES: Row[] = [
  ['200 variables', 'GRAPHQL_VALIDATION_FAILED', `query(${times(240, i => `$a${i}: Int`)}) { viewer { id } }`],
  [
    '240 variables of one name',
    'GRAPHQL_VALIDATION_FAILED',
    `query(${times(240, () => '$a: Int')}) { predictions(first: $a) { nodes { id } } }`,
  ],
  [
    'a default of 900 items',
    'OK',
    `query($b: [RiskBand!] = [${'T8 '.repeat(900)}]) { predictions(filter: {bands: $b}) { nodes { id } } }`,
  ],
  [
    'a default that is used 80 times',
    'OK',
    `query($b: [RiskBand!] = [${'T8 '.repeat(100)}]) { predictions(first: 1, filter: {bands: $b}) { nodes { id } } ${'...F '.repeat(200)} } fragment F on Query { viewer { id } }`,
  ],
  [
    'a default in circles',
    'GRAPHQL_PARSE_FAILED',
    'query($a: Int = $b, $b: Int = $a) { predictions(first: $a) { nodes { id } } }',
  ],
  ['3,000 applications', 'QUERY_TOO_COMPLEX', BATCH, { items: Array(3_000).fill(application) }],
  ['30,000 wrong applications', 'QUERY_TOO_COMPLEX', BATCH, { items: Array(30_000).fill({ a: 'x' }) }],
  ['90,000 nulls', 'QUERY_TOO_COMPLEX', BATCH, { items: Array(90_000).fill(null) }],
  [
    '9,000 outcomes',
    'QUERY_TOO_COMPLEX',
    'mutation($i: [RecordOutcomeInput!]!) { recordOutcomes(input: {items: $i}) { results { index } } }',
    { i: Array(9_000).fill({ predictionId: 'x', defaulted: true, observedAt: '2026-01-01T00:00:00Z' }) },
  ],
  ['an undeclared variable of 1 MB', 'OK', '{ viewer { id } }', { x: 'x'.repeat(1_000_000) }],
  ['a text variable of 1 MB', 'BAD_USER_INPUT', SCORE, { input: { ...application, applicantId: 'x'.repeat(1_000_000) } }],
  ['a wrong variable of 1 MB', 'BAD_USER_INPUT', SCORE, { input: 'x'.repeat(1_000_000) }],
  ['70,000 variables', 'OK', '{ viewer { id } }', Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`a${i}`, 1]))],
  [
    '50,000 unknown features',
    'BAD_USER_INPUT',
    SCORE,
    {
      input: {
        ...application,
        features: { consumerCredit: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`a${i}`, 1])) },
      },
    },
  ],
  [
    '150,000 bands',
    'QUERY_TOO_COMPLEX',
    'query($b: [RiskBand!]) { predictions(filter: {bands: $b}) { nodes { id } } }',
    { b: Array(150_000).fill('T8') },
  ],
  [
    '150,000 wrong bands',
    'QUERY_TOO_COMPLEX',
    'query($b: [RiskBand!]) { predictions(filter: {bands: $b}) { nodes { id } } }',
    { b: Array(150_000).fill('T9') },
  ],
]

const LISTS: Row[] = [
  ['2,000 applications', 'BAD_USER_INPUT', BATCH, { items: Array(2_000).fill(application) }],
  ['2,000 wrong applications', 'BAD_USER_INPUT', BATCH, { items: Array(2_000).fill({ a: 'x' }) }],
  [
    '300 applications with 300 unknown features',
    'BAD_USER_INPUT',
    BATCH,
    {
      items: Array(300).fill({
        applicantId: 'a',
        features: { consumerCredit: { ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`a${i}`, 1])) } },
      }),
    },
  ],
  [
    '2,000 wrong outcomes',
    'BAD_USER_INPUT',
    'mutation($i: [RecordOutcomeInput!]!) { recordOutcomes(input: {items: $i}) { results { index } } }',
    { i: Array(2_000).fill({ predictionId: 'x', defaulted: true, observedAt: 'x' }) },
  ],
  ['a list of 2,000 for a number', 'BAD_USER_INPUT', PAGES, { n: Array(2_000).fill(1) }],
]

const TEXTS: Row[] = [
  ['64 KiB and more', 'QUERY_TOO_COMPLEX', `{ viewer { id } }${' '.repeat(70_000)}`],
  ['1 MB', 'QUERY_TOO_COMPLEX', `{ viewer { id } } #${'x'.repeat(1_000_000)}`],
  ['60,000 commas', 'OK', `{ viewer {${','.repeat(60_000)} id } }`],
  ['30,000 comments', 'OK', `{ viewer {\n${'#\n'.repeat(30_000)} id } }`],
  ['60,000 line ends', 'OK', `{ viewer {${'\r'.repeat(60_000)} id } }`],
  ['20,000 byte order marks', 'OK', `${'\ufeff'.repeat(20_000)}{ viewer { id } }`],
  ['letters of other alphabets in names', 'GRAPHQL_PARSE_FAILED', '{ viеwer { id } }'],
  ['marks of direction', 'GRAPHQL_PARSE_FAILED', '{ viewer { id \u202e } }'],
  ['half a surrogate pair', 'GRAPHQL_PARSE_FAILED', '{ applicant(id: "\ud800") { id } }'],
  ['an escaped half of a surrogate pair', 'GRAPHQL_PARSE_FAILED', '{ applicant(id: "\\ud800") { id } }'],
  ['a NUL', 'GRAPHQL_PARSE_FAILED', '{ viewer \u0000 { id } }'],
  ['an escaped NUL', 'BAD_USER_INPUT', '{ applicant(id: "\\u0000") { id } }'],
  ['a missing end', 'GRAPHQL_PARSE_FAILED', `{ applicant(id: """${'x'.repeat(60_000)}`],
  ['a schema in place of an operation', 'GRAPHQL_VALIDATION_FAILED', 'type Query { a: Int } schema { query: Query }'],
  ['types next to an operation', 'GRAPHQL_VALIDATION_FAILED', `{ viewer { id } } ${times(200, i => `scalar A${i}`)}`],
]

const OPERATIONS: Row[] = [
  ['160 operations', 'OK', times(160, i => `query A${i} { __typename }`), {}, { operationName: 'A7' }],
  ['160 operations of one name', 'GRAPHQL_VALIDATION_FAILED', times(160, () => 'query A { __typename }')],
  ['240 operations without a name', 'GRAPHQL_VALIDATION_FAILED', times(240, () => '{ __typename }')],
  [
    '60 operations that spread 60 fragments',
    'OK',
    `${times(60, i => `query A${i} { ...F0 }`)} ${times(60, i => `fragment F${i} on Query { ...F${i + 1} }`)} fragment F60 on Query { __typename }`,
    {},
    { operationName: 'A7' },
  ],
  ['a name of 500,000 characters', 'BAD_REQUEST', 'query A { viewer { id } }', {}, { operationName: 'x'.repeat(500_000) }],
  ['a subscription', 'SUBSCRIPTION_REQUIRES_WEBSOCKET', 'subscription { highRiskScored { id } }'],
  [
    'a subscription of pages of pages',
    'QUERY_TOO_COMPLEX',
    'subscription($n: Int) { highRiskScored { prediction { applicant { predictions(first: $n) { nodes { applicant { predictions(first: $n) { nodes { id } } } } } } } } }',
    { n: 100 },
  ],
  ['a subscription of 16 aliases', 'QUERY_TOO_COMPLEX', `subscription { highRiskScored { ${times(16, i => `a${i}: id`)} } }`],
  [
    'a subscription of two feeds',
    'GRAPHQL_VALIDATION_FAILED',
    'subscription { a: highRiskScored { id } b: highRiskScored { id } }',
  ],
  [
    'types of types of types',
    'GRAPHQL_VALIDATION_FAILED',
    '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
  ],
  [
    'types of types, five times',
    'QUERY_TOO_COMPLEX',
    `{ ${times(5, i => `a${i}: __schema { types { fields { type { fields { args { type { name } } } } } } }`)} }`,
  ],
  [
    'possible types in circles',
    'GRAPHQL_VALIDATION_FAILED',
    '{ __schema { types { possibleTypes { possibleTypes { possibleTypes { name } } } } } }',
  ],
  [
    'types of types by fragments',
    'OK',
    '{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } } fragment B on __Type { fields { name } }',
  ],
]

const MALFORMED: HostileCase[] = [
  { what: 'JSON of 500,000 lists in lists', code: 'BAD_REQUEST', body: '['.repeat(500_000) },
  {
    what: 'variables of 100,000 lists in lists',
    code: 'QUERY_TOO_COMPLEX',
    body: `{"query": ${JSON.stringify(SCORE)}, "variables": {"input": ${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
  },
  {
    what: 'variables of 100,000 objects in objects',
    code: 'BAD_USER_INPUT',
    body: `{"query": ${JSON.stringify(SCORE)}, "variables": {"input": ${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}}`,
  },
  {
    what: 'bands of 100,000 lists in lists',
    code: 'QUERY_TOO_COMPLEX',
    body: `{"query": "query($b: [RiskBand!]) { predictions(filter: {bands: $b}) { nodes { id } } }", "variables": {"b": ${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
  },
  {
    what: 'a key of every object',
    code: 'BAD_REQUEST',
    body: '{"query": "{ viewer { id } }", "__proto__": {"query": "{ models { name } }"}}',
  },
  {
    what: 'a list of 1,000 requests',
    code: 'BAD_REQUEST',
    body: JSON.stringify(Array(1_000).fill({ query: '{ viewer { id } }' })),
  },
  {
    what: 'over 1 MiB',
    code: 'PAYLOAD_TOO_LARGE',
    body: JSON.stringify({ query: '{ viewer { id } }', variables: { x: 'x'.repeat(1_100_000) } }),
  },
  {
    what: 'a digest in place of a document',
    code: 'BAD_REQUEST',
    body: { extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } },
  },
]

const rows = { DEEP, WIDE, FRAGMENTS, OVERLAPS, DIRECTIVES, VALUES, VARIABLES, LISTS, TEXTS, OPERATIONS }

export const HOSTILE_CASES: readonly HostileCase[] = [
  ...Object.entries(rows).flatMap(([group, cases]) =>
    cases.map(([what, code, query, variables, rest]) => ({
      what: `${group.toLowerCase()}: ${what}`,
      code,
      body: { query, ...(variables !== undefined && { variables }), ...rest },
    })),
  ),
  ...MALFORMED.map(given => ({ ...given, what: `malformed: ${given.what}` })),
]
