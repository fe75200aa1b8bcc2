import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import contract from '../../models/consumer-credit/contract.json' with { type: 'json' }
import { application, HIGH_RISK, inParts, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import type { RawAnswer } from '../support/httpExchange.js'
import { CANARY, expectRefusal } from '../support/refused.js'
import { score, storedRows } from '../support/stored.js'
import { type HostileInput, hostileApplications, hostileOutcomes, printableTexts } from './support/hostileInputs.js'

const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed prediction { id } } }'
const BATCH =
  'mutation($items: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $items}) { results { index prediction { id applicantId } errors { code message path } } } }'
const RECORD = 'mutation($input: RecordOutcomeInput!) { recordOutcome(input: $input) { prediction { id } } }'
const RECORD_ALL =
  'mutation($items: [RecordOutcomeInput!]!) { recordOutcomes(input: {items: $items}) { results { index prediction { id } errors { code path } } } }'

const BAD_INPUT = { status: 400, code: 'BAD_USER_INPUT' }
const GOOD = JSON.stringify(application('neighbour'))
const APPLICATIONS = hostileApplications(CANARY)

interface Row {
  readonly index: number
  readonly prediction: { readonly id: string; readonly applicantId: string } | null
  readonly errors: readonly { readonly code: string; readonly message: string; readonly path: readonly string[] }[]
}

let gateway: TestGateway
let client: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' })
  client = await gateway.as({ roles: ['ADMIN'] })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const send = (query: string, variables: string) =>
  client.call({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"query":${JSON.stringify(query)},"variables":${variables}}`,
  })

async function sendBatch(items: readonly string[]): Promise<Row[]> {
  const { status, text } = await send(BATCH, `{"items":[${items.join(',')}]}`)
  expect({ status, text }).toMatchObject({ status: 200 })
  expect(text.replaceAll(`"applicantId":"${CANARY}`, '')).not.toContain(CANARY)
  return JSON.parse(text).data.predictRiskBatch.results
}

/** A value nested ten thousand deep may be refused by a limit of documents before its type is checked. */
function expectRefused(answer: RawAnswer, json: string): void {
  const isDeep = json.includes('['.repeat(10_000)) || json.includes('{"a":'.repeat(10_000))
  const isLimit = isDeep && answer.text.includes('"QUERY_TOO_COMPLEX"')
  expectRefusal(answer, isLimit ? { status: 400, code: 'QUERY_TOO_COMPLEX' } : BAD_INPUT)
}

/** The field of an input. There is one test for each field, so that a failure names it. */
const fieldOf = ({ name }: HostileInput) => / for (\w+)$/.exec(name)?.[1] ?? 'the whole'
const fields = [...new Set(APPLICATIONS.map(fieldOf))]
const isShort = ({ json }: HostileInput) => json.length < 10_000
const short = APPLICATIONS.filter(isShort)

describe('predictRisk', () => {
  it.each(fields)('refuses each hostile value of %s, repeats none, and stores nothing', async field => {
    const before = await storedRows(gateway)
    const inputs = APPLICATIONS.filter(input => fieldOf(input) === field)
    for (const { name, json, refuses, path } of inputs) {
      const answer = await send(SCORE, `{"input":${json}}`)
      expect({ name, status: answer.status }).toEqual({ name, status: 400 })
      expectRefused(answer, json)
      const { problems } = JSON.parse(answer.text).errors[0].extensions as { problems?: { path: string[] }[] }
      const paths = problems?.map(problem => problem.path.join('.'))
      if (refuses === 'document') expect({ name, paths }).toEqual({ name, paths: undefined })
      else expect({ name, paths }).toEqual({ name, paths: expect.arrayContaining([path]) })
    }
    expect(await storedRows(gateway)).toEqual(before)
    await expect(score(client, 'after')).resolves.toMatchObject({ applicantId: 'after' })
  })

  it.each<[string, string]>([
    ['a __proto__ next to the features', `{"input":{"__proto__":{"isAdmin":true},"applicantId":"${CANARY}"}}`],
    ['a __proto__ among the features', `{"input":{"applicantId":"a","features":{"consumerCredit":{"__proto__":{"price":1}}}}}`],
    ['an escaped __proto__', '{"input":{"\\u005f_proto__":{"price":1}}}'],
    ['a constructor with a prototype', '{"input":{"constructor":{"prototype":{"price":1}}}}'],
  ])('refuses the whole body for %s', async (_what, variables) => {
    expectRefusal(await send(SCORE, variables), { status: 400, code: 'BAD_REQUEST' })
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined()
  })

  it('uses the last of two equal keys for checks, score and storage', async () => {
    const twice = (first: string, second: string) =>
      `{"input":{"applicantId":"twice","features":{"consumerCredit":{${JSON.stringify(HIGH_RISK).slice(1, -1)},"price":${first},"price":${second}}}}}`
    expectRefusal(await send(SCORE, twice('1600', '1e39')), BAD_INPUT)
    expectRefusal(await send(SCORE, twice('1600', '"x"')), BAD_INPUT)
    const { status, text } = await send(SCORE, twice('1e39', '1601'))
    expect(status).toBe(200)
    const { id } = JSON.parse(text).data.predictRisk.prediction
    const [row] = await gateway.database.sql`select features from predictions where id = ${id}`
    expect(row?.features).toMatchObject({ price: 1601 })
  })

  it('treats -0 as 0', async () => {
    const zero = JSON.stringify(application('zero', { ...LOW_RISK, debt: 0 }))
    const answers = [zero, zero.replace('"debt":0', '"debt":-0'), zero.replace('"debt":0', '"debt":-0.0e-7')]
    const ids = []
    for (const json of answers) ids.push(JSON.parse((await send(SCORE, `{"input":${json}}`)).text).data.predictRisk.prediction.id)
    const rows = await gateway.database
      .sql`select distinct probability, features::text as features from predictions where id in ${gateway.database.sql(ids)}`
    expect(rows).toHaveLength(1)
  })

  it('stores every printable reference unchanged, and finds it again', async () => {
    const texts = printableTexts(CANARY)
    for (const text of texts) {
      const { id } = await score(client, text)
      const query =
        'query($id: ID!, $filter: PredictionFilter) { applicant(id: $id) { id latestPrediction { id } } predictions(first: 5, filter: $filter) { nodes { id applicantId } } }'
      const { data, errors } = await client.send({ query, variables: { id: text, filter: { applicantId: text } } })
      expect({ text, errors }).toEqual({ text, errors: undefined })
      expect(data).toEqual({
        applicant: { id: text, latestPrediction: { id } },
        predictions: { nodes: [{ id, applicantId: text }] },
      })
    }
    expect((await storedRows(gateway)).predictions).toBeGreaterThanOrEqual(texts.length)
  })
})

describe('the range', () => {
  const numbers = contract.features.flatMap(({ name, minimum, maximum, kind }) =>
    minimum === undefined || maximum === undefined ? [] : [{ name, minimum, maximum, isWhole: kind === 'INTEGER' }],
  )

  it.each(numbers)(
    'of $name is from $minimum to $maximum: both are accepted, and nothing beyond',
    async ({ name, minimum, maximum, isWhole }) => {
      // The next double. As a float32, which the model computes with, it may equal the edge.
      const beyond = (value: number, by: 1 | -1) => {
        if (value === 0) return by * Number.MIN_VALUE
        const view = new DataView(new ArrayBuffer(8))
        view.setFloat64(0, value)
        view.setBigInt64(0, view.getBigInt64(0) + BigInt(by))
        return view.getFloat64(0)
      }
      const resultOf = async (value: number) => {
        const json = JSON.stringify(application('edge', { ...LOW_RISK, [name]: value }))
        return (await send(SCORE, `{"input":${json}}`)).status
      }
      expect(await resultOf(minimum)).toBe(200)
      expect(await resultOf(maximum)).toBe(200)
      for (const value of [beyond(minimum, -1), beyond(maximum, 1), minimum - 1, maximum + 1]) {
        expect({ value, status: await resultOf(value) }).toEqual({ value, status: 400 })
      }
      const within = (minimum + maximum) / 2 + 0.25
      expect(await resultOf(within)).toBe(isWhole ? 400 : 200)
    },
  )
})

describe('predictRiskBatch', () => {
  it('refuses only each hostile row, with its problem, and stores the other rows', async () => {
    const rows = short.filter(({ refuses }) => refuses === 'row')
    for (const part of inParts(rows, 49)) {
      const before = await storedRows(gateway)
      const results = await sendBatch([...part.flatMap(({ json }) => [GOOD, json]), GOOD])
      const wrong = results.filter((_, i) => i % 2 === 1)
      const good = results.filter((_, i) => i % 2 === 0)
      expect(good.map(({ prediction }) => prediction?.applicantId)).toEqual(good.map(() => 'neighbour'))
      wrong.forEach(({ prediction, errors }, i) => {
        const { name, path } = part[i] as HostileInput
        expect({ name, prediction, paths: errors.map(error => error.path.join('.')) }).toEqual({
          name,
          prediction: null,
          paths: expect.arrayContaining([path]),
        })
      })
      expect(await storedRows(gateway)).toEqual({ ...before, predictions: (before.predictions ?? 0) + good.length })
    }
  })

  it('answers a hundred hostile rows with a hundred problems, and stores nothing', async () => {
    const before = await storedRows(gateway)
    const rows = short.filter(({ refuses }) => refuses === 'row').slice(0, 100)
    const results = await sendBatch(rows.map(({ json }) => json))
    expect(results).toHaveLength(100)
    for (const { prediction, errors } of results) {
      expect(prediction).toBeNull()
      expect(errors[0]?.code).toBe('BAD_USER_INPUT')
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('refuses the whole request for a wrong JSON type in one row, and stores nothing', async () => {
    const before = await storedRows(gateway)
    for (const { name, json } of short.filter(({ refuses }) => refuses === 'document')) {
      const answer = await send(BATCH, `{"items":[${GOOD},${json},${GOOD}]}`)
      expect({ name, status: answer.status }).toEqual({ name, status: 400 })
      expectRefusal(answer, BAD_INPUT)
    }
    expect(await storedRows(gateway)).toEqual(before)
  })

  it.each([
    ['100 rows of 10,000 levels each would be over the body limit, 15 are refused', '['.repeat(10_000), ']'.repeat(10_000)],
    ['15 rows of 10,000 objects each are refused', '{"a":'.repeat(10_000), '}'.repeat(10_000)],
  ])('%s at once', async (_what, open, close) => {
    const row = `{"applicantId":"deep","features":{"consumerCredit":{"price":${open}1${close}}}}`
    const items = Array.from({ length: 15 }, () => row).join(',')
    const used = process.cpuUsage()
    expectRefused(await send(BATCH, `{"items":[${items}]}`), row)
    // CPU alone: what else the machine does counts for nothing.
    const { user, system } = process.cpuUsage(used)
    expect((user + system) / 1_000).toBeLessThan(2_000)
  })
})

describe('recordOutcome', () => {
  let id: string
  let inputs: HostileInput[]
  const outcomes = () => gateway.database.sql`select id, outcome_observed_at from predictions where defaulted is not null`
  beforeAll(async () => {
    id = (await score(client, 'with an outcome')).id
    inputs = hostileOutcomes(CANARY, id)
  })

  it('refuses each hostile outcome, repeats nothing, and records nothing', async () => {
    const before = await outcomes()
    for (const { name, json, refuses, path } of inputs) {
      const answer = await send(RECORD, `{"input":${json}}`)
      const isUnknown = refuses === 'row' && path === 'predictionId'
      expect({ name, status: answer.status }).toEqual({ name, status: isUnknown ? 404 : 400 })
      expectRefusal(answer, isUnknown ? { status: 404, code: 'NOT_FOUND' } : BAD_INPUT)
    }
    expect(await outcomes()).toEqual(before)
  })

  it('refuses hostile outcomes of a list row by row, and the whole list for a wrong JSON type', async () => {
    const before = await outcomes()
    const short = inputs.filter(isShort)
    const rows = short.filter(({ refuses, path }) => refuses === 'row' && path === 'predictionId')
    const { status, text } = await send(RECORD_ALL, `{"items":[${rows.map(({ json }) => json).join(',')}]}`)
    expect(status).toBe(200)
    expect(text).not.toContain(CANARY)
    const { results } = JSON.parse(text).data.recordOutcomes as { results: Row[] }
    expect(results.map(({ errors }) => errors.map(({ code, path }) => [code, path]))).toEqual(
      rows.map(() => [['NOT_FOUND', ['predictionId']]]),
    )
    for (const { json } of short.filter(({ refuses }) => refuses === 'document'))
      expectRefusal(await send(RECORD_ALL, `{"items":[${json}]}`), BAD_INPUT)
    expect(await outcomes()).toEqual(before)
  })

  it('records a valid outcome afterwards', async () => {
    const input = JSON.stringify({ predictionId: id, defaulted: true, observedAt: new Date().toISOString() })
    expect((await send(RECORD, `{"input":${input}}`)).status).toBe(200)
  })
})
