import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { testFolder } from '../support/folder.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { DIFFERENT, REFUSED, REFUSED_ANEW, SAME } from '../support/names.js'
import { restClient } from '../support/restClient.js'

const SCORE =
  'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed prediction { id applicantId channel } } }'
const BATCH =
  'mutation($items: [PredictRiskInput!]!) { predictRiskBatch(input: { items: $items }) { results { replayed prediction { id } errors { path message } } } }'
const ERASE = 'mutation($id: ID!) { eraseApplicant(input: { applicantId: $id }) { erased complete } }'
const FIND = `query($id: ID!, $channel: String, $first: Int, $after: String) {
  applicant(id: $id) { id latestPrediction { id } predictions(first: $first, after: $after) { total { count } nodes { id } pageInfo { endCursor } } }
  ofApplicant: predictions(filter: { applicantId: $id }, first: $first, after: $after) { nodes { id } pageInfo { endCursor } }
  ofChannel: predictions(filter: { applicantId: $id, channel: $channel }, first: 20) { nodes { id } }
  audit: auditEntries(filter: { applicantId: $id, action: "history.read" }, first: 100) { nodes { id subject } }
}`

interface Scored {
  readonly predictRisk: { replayed: boolean; prediction: { id: string; applicantId: string; channel: string } }
}

interface Found {
  readonly applicant: { id: string; latestPrediction: { id: string }; predictions: Listed & { total: { count: number } } } | null
  readonly ofApplicant: Listed
  readonly ofChannel: Listed
  readonly audit: { nodes: { id: string; subject: string }[] }
}

interface Listed {
  readonly nodes: readonly { id: string }[]
  readonly pageInfo: { endCursor: string | null }
}

/** A literal of a document, with each character escaped, as some printers write them. */
const escaped = (text: string) =>
  `"${[...text].map(character => `\\u{${(character.codePointAt(0) as number).toString(16)}}`).join('')}"`

describe('both spellings of a name', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  let rest: Awaited<ReturnType<typeof restClient>>
  beforeAll(async () => {
    gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' })
    client = await gateway.as({ roles: ['ADMIN', 'SCORER', 'ANALYST'] })
    rest = await restClient(gateway, { roles: ['ADMIN', 'SCORER', 'ANALYST'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  async function ask<T>(query: string, variables: object = {}): Promise<T> {
    const { data, errors } = await client.send<T>({ query, variables })
    expect(errors).toBeUndefined()
    return data as T
  }
  const find = (id: string, variables: object = {}) => ask<Found>(FIND, { id, first: 20, ...variables })
  const idsOf = ({ nodes }: Pick<Listed, 'nodes'>) => nodes.map(({ id }) => id)

  // A few of each kind: every door calls the same function.
  it.each(SAME.filter((_pair, i) => i % 7 === 0))('name one applicant at every door: %s, %s', async (one, other) => {
    const input = { ...application(one), channel: one, idempotencyKey: `k/${escaped(one)}` }
    const { predictRisk: first } = await ask<Scored>(SCORE, { input })
    expect(first).toMatchObject({
      replayed: false,
      prediction: { applicantId: one.normalize('NFC'), channel: one.normalize('NFC') },
    })

    // A retry in the other spelling: as a variable, as literals, over REST, in a batch.
    const again = { ...input, applicantId: other, channel: other }
    const replays = [
      (await ask<Scored>(SCORE, { input: again })).predictRisk,
      (
        await ask<Scored>(
          `mutation($f: ModelFeaturesInput!, $k: String) { predictRisk(input: { applicantId: ${escaped(other)}, channel: """${other}""", features: $f, idempotencyKey: $k }) { replayed prediction { id applicantId channel } } }`,
          { f: input.features, k: input.idempotencyKey },
        )
      ).predictRisk,
      await (async () => {
        const { data } = await rest.POST('/api/predict', {
          headers: { 'Idempotency-Key': input.idempotencyKey },
          body: { applicantId: other, channel: other, model: 'consumer-credit', features: LOW_RISK as never },
        })
        return { replayed: data?.replayed, prediction: data }
      })(),
      (
        await ask<{ predictRiskBatch: { results: { replayed: boolean; prediction: { id: string } }[] } }>(BATCH, {
          items: [again],
        })
      ).predictRiskBatch.results[0],
    ]
    for (const replay of replays) expect(replay).toMatchObject({ replayed: true, prediction: { id: first.prediction.id } })

    // A second prediction, in the other spelling, belongs to the same applicant.
    const { predictRisk: second } = await ask<Scored>(SCORE, { input: { ...application(other, HIGH_RISK), channel: other } })
    const ids = [second.prediction.id, first.prediction.id]
    for (const spelling of [one, other]) {
      const found = await find(spelling, { channel: spelling === one ? other : one })
      expect(found.applicant).toMatchObject({
        id: one.normalize('NFC'),
        latestPrediction: { id: ids[0] },
        predictions: { total: { count: 2 } },
      })
      expect([found.applicant?.predictions, found.ofApplicant, found.ofChannel].map(list => list && idsOf(list))).toEqual([
        ids,
        ids,
        ids,
      ])
      const { data } = await rest.GET('/api/predictions', { params: { query: { applicantId: spelling, channel: spelling } } })
      expect(data?.predictions.map(({ id }) => id)).toEqual(ids)
    }

    // A page in one spelling, the next one in the other; and the audit has one subject.
    const page = await find(one, { first: 1 })
    const next = await find(other, { first: 1, after: page.ofApplicant.pageInfo.endCursor })
    expect([page, next].map(({ ofApplicant }) => idsOf(ofApplicant))).toEqual([[ids[0]], [ids[1]]])
    const nextOfApplicant = await find(other, { first: 1, after: page.applicant?.predictions.pageInfo.endCursor })
    expect(idsOf(nextOfApplicant.applicant?.predictions ?? { nodes: [] })).toEqual([ids[1]])
    const [subjects, sameSubjects] = [(await find(one)).audit.nodes, (await find(other)).audit.nodes]
    expect(new Set([...subjects, ...sameSubjects].map(({ subject }) => subject)).size).toBe(1)
    expect(sameSubjects.length).toBeGreaterThan(subjects.length)

    expect(await ask(ERASE, { id: other })).toEqual({ eraseApplicant: { erased: 2, complete: true } })
    for (const spelling of [one, other]) expect((await find(spelling)).applicant).toBeNull()
  })

  it.each(SAME)('name one applicant to be scored, scored again, found and erased: %s, %s', async (one, other) => {
    const key = { idempotencyKey: `short/${escaped(one)}` }
    const first = await ask<Scored>(SCORE, { input: { ...application(other), ...key } })
    expect(first.predictRisk).toMatchObject({ replayed: false, prediction: { applicantId: one.normalize('NFC') } })
    expect((await ask<Scored>(SCORE, { input: { ...application(one), ...key } })).predictRisk.replayed).toBe(true)
    expect((await find(one)).applicant?.predictions.total.count).toBe(1)
    expect(await ask(ERASE, { id: one })).toEqual({ eraseApplicant: { erased: 1, complete: true } })
    expect((await find(other)).applicant).toBeNull()
  })

  it.each(DIFFERENT)('are two applicants where they merely look alike: %s, %s', async (one, other) => {
    for (const applicantId of [one, other]) await ask(SCORE, { input: application(applicantId) })
    expect(await ask(ERASE, { id: one })).toEqual({ eraseApplicant: { erased: 1, complete: true } })
    expect((await find(other)).applicant?.predictions.total.count).toBe(1)
    await ask(ERASE, { id: other })
  })

  it.each(REFUSED.filter((_text, i) => i % 4 === 0).map(text => [escaped(text), text]))(
    'refuses a name with what cannot be seen, whatever is asked: %s',
    async (_escaped, text) => {
      const refused = [
        await client.send({ query: SCORE, variables: { input: application(text) } }),
        await client.send({ query: SCORE, variables: { input: { ...application('A'), channel: text } } }),
        await client.send({ query: ERASE, variables: { id: text } }),
        await client.send({ query: '{ applicant(id: $id) { id } }'.replace(/^/, 'query($id: ID!) '), variables: { id: text } }),
        ...(await Promise.all(
          ['applicantId', 'channel'].map(name =>
            client.send({
              query: 'query($filter: PredictionFilter) { predictions(filter: $filter) { nodes { id } } }',
              variables: { filter: { [name]: text } },
            }),
          ),
        )),
        await client.send({
          query: 'query($filter: AuditFilter) { auditEntries(filter: $filter) { nodes { id } } }',
          variables: { filter: { applicantId: text } },
        }),
      ]
      expect(
        refused.map(({ errors }) => errors?.map(({ extensions }) => [extensions.code, extensions.problems?.length])),
      ).toEqual(refused.map(() => [['BAD_USER_INPUT', 1]]))
      const { response, error } = await rest.GET('/api/predictions', { params: { query: { applicantId: text } } })
      expect([response.status, JSON.stringify(error)]).toEqual([400, expect.stringContaining('applicantId must')])
    },
  )

  it.each(REFUSED_ANEW.slice(0, 3).map(text => [escaped(text), text]))(
    'refuses to score, but looks for, what an older version stored: %s',
    async (_escaped, text) => {
      const { errors } = await client.send({ query: SCORE, variables: { input: application(text) } })
      expect(errors?.[0]?.extensions.problems?.[0]?.message).toBe('applicantId must not hold characters that cannot be seen.')
      expect((await find(text)).applicant).toBeNull()
      expect(await ask(ERASE, { id: text })).toEqual({ eraseApplicant: { erased: 0, complete: true } })
    },
  )
})

describe('a category whose contract has it in another spelling than a caller', () => {
  const models = testFolder('models')
  const [nfc, nfd] = ['due\u00f1o\u00a01', 'duen\u0303o 1']

  it('is the same category, for the golden rows, the score, a retry and the history', async () => {
    await cp('models', models, { recursive: true })
    const replace = async (file: string, to: string) => {
      const path = join(models, 'consumer-credit', file)
      await writeFile(path, (await readFile(path, 'utf8')).replaceAll('"owner"', JSON.stringify(to)))
    }
    // As a data scientist on another system writes each of them.
    for (const version of ['1', '2']) {
      await replace(`${version}/manifest.json`, nfc)
      await replace(`${version}/golden.jsonl`, nfd)
    }
    await replace('contract.json', nfd)
    await using gateway = await startGateway({ RISKGATE_MODELS_DIR: models })
    const client = await gateway.as({ roles: ['ADMIN'] })
    const query =
      'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed prediction { probability features { name category } } } }'
    for (const [i, home] of [nfc, nfd].entries()) {
      const input = { ...application('A-1', { ...LOW_RISK, home }), idempotencyKey: 'k' }
      const { data, errors } = await client.send({ query, variables: { input } })
      expect(errors).toBeUndefined()
      expect(data).toMatchObject({ predictRisk: { replayed: i > 0, prediction: { probability: expect.closeTo(0.042, 3) } } })
      expect(JSON.stringify(data)).toContain('{"name":"home","category":"due\u00f1o 1"}')
    }
    const refused = await client.send({ query, variables: { input: application('A-1', { ...LOW_RISK, home: 'dueno 1' }) } })
    expect(refused.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })
})
