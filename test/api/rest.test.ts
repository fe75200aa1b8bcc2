import type { Client } from 'openapi-fetch'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadContracts } from '../../src/releases/files/modelFolders.js'
import { restRoutes } from '../../src/server/rest/restRoutes.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { PredictionByIdDocument, PredictRiskDocument } from '../support/generated/operations.js'
import type { components, paths } from '../support/generated/rest.js'
import { exchange } from '../support/httpExchange.js'
import { prepareReleases, RELEASE_BODIES } from '../support/releases.js'
import { jsonOf, restClient, sendRest } from '../support/restClient.js'
import { storedRows } from '../support/stored.js'

type Features = components['schemas']['ConsumerCreditFeatures']
const [low, high] = [LOW_RISK, HIGH_RISK] as unknown as [Features, Features]
const application = (applicantId: string, features = low) => ({ applicantId, model: 'consumer-credit' as const, features })

let gateway: TestGateway
let shop: Client<paths>
let analyst: Client<paths>
let authorization: string
beforeAll(async () => {
  gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '100000' })
  shop = await restClient(gateway, { roles: ['SCORER'], subject: 'shop' })
  analyst = await restClient(gateway, { roles: ['ANALYST'], subject: 'analyst' })
  authorization = `Bearer ${await signToken({ roles: ['ADMIN'], subject: 'desk' })}`
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** The answer of a call that must succeed. */
async function dataOf<Data>(call: Promise<{ data?: Data | undefined; error?: unknown }>): Promise<Data> {
  const { data, error } = await call
  if (data === undefined) throw new Error(`The call failed: ${JSON.stringify(error)}`)
  return data
}

const predict = (applicantId: string, key?: string, features = low) =>
  shop.POST('/api/predict', {
    params: { header: key === undefined ? {} : { 'Idempotency-Key': key } },
    body: application(applicantId, features),
  })

describe('POST /api/predict', () => {
  it('answers with the same prediction that GraphQL then shows', async () => {
    const answer = await dataOf(predict('rest-1', undefined, high))
    expect(answer).toMatchObject({
      applicantId: 'rest-1',
      band: 'T8',
      highRisk: true,
      model: 'consumer-credit',
      modelVersion: '2',
      channel: null,
      requestedBy: 'shop',
      replayed: false,
    })
    const { prediction } = await (await gateway.as({ roles: ['ANALYST'] })).data(PredictionByIdDocument, { id: answer.id })
    const { replayed: _, model: __, modelVersion: ___, ...shown } = answer
    expect(prediction).toEqual(shown)
    const alerts = await gateway.database.sql`select prediction_id from alerts where prediction_id = ${answer.id}`
    expect(alerts).toHaveLength(1)
  })

  it('answers the first prediction again for the same Idempotency-Key, bare or quoted, and over GraphQL too', async () => {
    const first = await dataOf(predict('rest-2', 'rest-2/1'))
    expect(await dataOf(predict('rest-2', '"rest-2/1"'))).toEqual({ ...first, replayed: true })
    const graphql = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
    const { predictRisk } = await graphql.data(PredictRiskDocument, {
      input: { applicantId: 'rest-2', features: { consumerCredit: low }, idempotencyKey: 'rest-2/1' },
    })
    expect(predictRisk).toMatchObject({ replayed: true, prediction: { id: first.id } })
  })

  it('refuses a used key with another input: 422, at the header', async () => {
    await dataOf(predict('rest-3', 'rest-3/1'))
    const { response, error } = await predict('rest-3b', 'rest-3/1')
    expect(response.status).toBe(422)
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422, problems: [{ header: 'Idempotency-Key' }] })
  })

  it('names every wrong feature by a JSON pointer, and stores nothing', async () => {
    const before = await storedRows(gateway)
    const features = { ...low, seniority: 1.5, home: 'castle', price: -1 } as unknown as Features
    const { response, error } = await shop.POST('/api/predict', { body: application('rest-4', features) })
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(error).toMatchObject({
      type: '/api/docs#BAD_USER_INPUT',
      title: 'Bad user input',
      status: 400,
      code: 'BAD_USER_INPUT',
    })
    expect(error?.problems?.map(({ pointer }) => pointer)).toEqual([
      '#/features/seniority',
      '#/features/home',
      '#/features/price',
    ])
    expect(JSON.stringify(error)).not.toMatch(/castle|1\.5/)
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('tells the quota that is left', async () => {
    const { response } = await predict('rest-5')
    expect(response.headers.get('ratelimit-limit')).toBe('100000')
    expect(Number(response.headers.get('ratelimit-remaining'))).toBeLessThan(100_000)
  })
})

describe('POST /api/predict/batch', () => {
  it('answers each row by itself: its prediction, or its errors with pointers into the body', async () => {
    const bad = { ...application('batch-2'), features: { ...low, time: 0 } }
    const { results } = await dataOf(
      shop.POST('/api/predict/batch', { body: { items: [application('batch-1'), bad, application('batch-3', high)] } }),
    )
    expect(
      results.map(({ index, prediction, replayed }) => [index, prediction?.applicantId, prediction?.band, replayed]),
    ).toEqual([
      [0, 'batch-1', 'T2', false],
      [1, undefined, undefined, false],
      [2, 'batch-3', 'T8', false],
    ])
    expect(results.map(({ errors }) => errors)).toEqual([
      [],
      [{ code: 'BAD_USER_INPUT', detail: 'time must be at least 1.', pointer: '#/items/1/features/time' }],
      [],
    ])
  })

  it('takes a key for each row, and the one of the request for the others', async () => {
    const items = [application('batch-4'), { ...application('batch-5'), idempotencyKey: 'own-key' }]
    const send = () =>
      shop.POST('/api/predict/batch', { params: { header: { 'Idempotency-Key': 'batch-key' } }, body: { items } })
    const first = await dataOf(send())
    const second = await dataOf(send())
    expect(second.results).toEqual(first.results.map(result => ({ ...result, replayed: true })))
    expect(await dataOf(predict('batch-5', 'own-key'))).toMatchObject({ id: first.results[1]?.prediction?.id, replayed: true })
  })

  it.each([
    ['no row', []],
    ['101 rows', Array.from({ length: 101 }, () => application('many'))],
  ])('refuses %s', async (_what, items) => {
    const { response, error } = await shop.POST('/api/predict/batch', { body: { items } })
    expect(response.status).toBe(400)
    expect(error?.problems).toHaveLength(1)
    expect(error?.problems?.[0]?.pointer).toBe('#/items')
  })
})

describe('GET /api/predictions', () => {
  it('pages through the history with filters, as GraphQL does', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.unshift((await dataOf(predict('paged', undefined, high))).id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const query = {
        applicantId: 'paged',
        band: ['T7', 'T8'] as ('T7' | 'T8')[],
        highRisk: true,
        limit: 2,
        ...(cursor && { cursor }),
      }
      const page = await dataOf(analyst.GET('/api/predictions', { params: { query } }))
      expect(page.predictions.length).toBeLessThanOrEqual(2)
      seen.push(...page.predictions.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual(ids)
  })

  it('takes every filter that GraphQL takes', async () => {
    const { id, createdAt } = await dataOf(predict('filtered'))
    const query = {
      applicantId: 'filtered',
      highRisk: false,
      model: 'consumer-credit',
      modelVersion: '2',
      probabilityFrom: 0.03,
      probabilityTo: 0.06,
      createdFrom: createdAt,
      createdTo: new Date(Date.parse(createdAt) + 1).toISOString(),
      hasOutcome: false,
      order: 'PROBABILITY_ASC' as const,
    }
    const { predictions } = await dataOf(analyst.GET('/api/predictions', { params: { query } }))
    expect(predictions.map(found => found.id)).toEqual([id])
    for (const other of [
      { highRisk: true },
      { modelVersion: '1' },
      { probabilityFrom: 0.05 },
      { createdTo: createdAt },
      { hasOutcome: true },
      { channel: 'web' },
    ]) {
      const page = await dataOf(analyst.GET('/api/predictions', { params: { query: { ...query, ...other } } }))
      expect(page.predictions).toEqual([])
    }
  })

  it('names each wrong parameter', async () => {
    const path = '/predictions?limit=0&band=T9&highRisk=yes&probabilityFrom=x&createdFrom=yesterday&page=2&channel=a&channel=b'
    const { status, text } = await sendRest(gateway, path, { headers: { authorization } })
    expect(status).toBe(400)
    const { problems } = JSON.parse(text) as { problems: { parameter: string }[] }
    expect(problems.map(({ parameter }) => parameter).sort()).toEqual(
      ['band', 'channel', 'createdFrom', 'highRisk', 'limit', 'page', 'probabilityFrom'].sort(),
    )
  })

  it.each([
    ['/predictions?applicantId=a%00', 'applicantId'],
    ['/predictions?cursor=%00', 'cursor'],
    ['/predictions/%00', 'id'],
    ['/models/%00', 'name'],
  ])('names the parameter whose text cannot be stored: %s', async (path, parameter) => {
    const answer = await sendRest(gateway, path, { headers: { authorization } })
    expect([answer.status, jsonOf(answer).problems]).toEqual([400, [expect.objectContaining({ parameter })]])
  })

  it('refuses a cursor of another list', async () => {
    const { response, error } = await analyst.GET('/api/predictions', { params: { query: { cursor: 'bm90aGluZw' } } })
    expect([response.status, error?.code]).toEqual([400, 'BAD_CURSOR'])
  })
})

describe('a single prediction', () => {
  it('is shown with its outcome once that is recorded', async () => {
    const { id, createdAt } = await dataOf(predict('outcome-1'))
    const path = { id }
    expect((await dataOf(shop.GET('/api/predictions/{id}', { params: { path } }))).outcome).toBeNull()
    const body = { defaulted: true, observedAt: new Date(Date.parse(createdAt) + 1).toISOString() }
    const recorded = await dataOf(shop.POST('/api/predictions/{id}/outcome', { params: { path }, body }))
    expect(recorded.outcome).toEqual({ ...body, recordedBy: 'shop' })
    expect(await dataOf(shop.GET('/api/predictions/{id}', { params: { path } }))).toEqual(recorded)
    expect(await dataOf(shop.POST('/api/predictions/{id}/outcome', { params: { path }, body }))).toEqual(recorded)
  })

  it('is not found by an id that does not exist, or is no id', async () => {
    for (const id of ['01890000-0000-7000-8000-000000000000', 'x', 'a%2Fb', 'x'.repeat(200)]) {
      const { status, text } = await sendRest(gateway, `/predictions/${id}`, { headers: { authorization } })
      expect([status, JSON.parse(text).code]).toEqual([404, 'NOT_FOUND'])
    }
  })

  it('takes no outcome when there is none of this id, and says that the id is wrong', async () => {
    const path = { id: '01890000-0000-7000-8000-000000000000' }
    const body = { defaulted: true, observedAt: '2026-01-01T00:00:00Z' }
    const { response, error } = await shop.POST('/api/predictions/{id}/outcome', { params: { path }, body })
    expect(response.status).toBe(404)
    expect(error?.problems).toEqual([expect.objectContaining({ code: 'NOT_FOUND', parameter: 'id' })])
  })

  it('says where an outcome is wrong', async () => {
    const { id } = await dataOf(predict('outcome-2'))
    const body = { defaulted: true, observedAt: '2000-01-01T00:00:00Z' }
    const { error } = await shop.POST('/api/predictions/{id}/outcome', { params: { path: { id } }, body })
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', problems: [{ pointer: '#/observedAt' }] })
  })
})

describe('models', () => {
  it('come with an entity tag, and 304 for those who have them', async () => {
    const list = await analyst.GET('/api/models')
    expect(list.data?.models.map(({ name, champion }) => [name, champion?.version])).toEqual([['consumer-credit', '2']])
    const one = await analyst.GET('/api/models/{name}', { params: { path: { name: 'consumer-credit' } } })
    expect(one.data).toEqual(list.data?.models[0])
    const features = one.data?.features.find(({ name }) => name === 'seniority')
    expect(features).toMatchObject({ kind: 'INTEGER', required: true, minimum: 0, maximum: 60, unit: 'years' })
    expect(features?.description.es).toMatch(/^Años completos/)
    const etag = one.response.headers.get('etag') as string
    expect(one.response.headers.get('cache-control')).toBe('private, no-cache')
    const known = (tags: string) =>
      sendRest(gateway, '/models/consumer-credit', { headers: { authorization, 'if-none-match': tags } })
    for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await known(tags)
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag])
    }
    expect((await known('"x"')).status).toBe(200)
  })

  it('that do not serve are MODEL_NOT_FOUND', async () => {
    const { response, error } = await analyst.GET('/api/models/{name}', { params: { path: { name: 'mortgage' } } })
    expect([response.status, error?.code, response.headers.get('etag')]).toEqual([404, 'MODEL_NOT_FOUND', null])
  })
})

describe('a strict door', () => {
  const good = JSON.stringify(application('strict'))
  const post = (body: string | Buffer, headers = {}, path = '/predict') =>
    sendRest(gateway, path, { body, headers: { authorization, ...headers } })

  it.each([
    ['a key twice', good.replace('{', '{"model":"x",'), 'BAD_REQUEST'],
    ['a key twice, deep inside', good.replace('"features":{', '"features":{"time":1,'), 'BAD_REQUEST'],
    ['a key twice, once escaped', good.replace('"features":{', '"features":{"\\u0074ime":1,'), 'BAD_REQUEST'],
    ['NaN', good.replace('"time":60', '"time":NaN'), 'BAD_REQUEST'],
    ['a number without end', good.replace('"time":60', '"time":1e400'), 'BAD_USER_INPUT'],
    ['a whole number that JSON rounds', good.replace('"time":60', '"time":9007199254740993'), 'BAD_USER_INPUT'],
    ['a number as a text', good.replace('"time":60', '"time":"60"'), 'BAD_USER_INPUT'],
    ['a number for a reference', good.replace('"strict"', '5'), 'BAD_USER_INPUT'],
    ['an unknown field', good.replace('{', '{"x":1,'), 'BAD_USER_INPUT'],
    ['an unknown field of half a surrogate pair', good.replace('{', '{"\\udead":1,'), 'BAD_USER_INPUT'],
    ['an unknown feature', good.replace('"features":{', '"features":{"age":40,'), 'BAD_USER_INPUT'],
    ['__proto__', good.replace('"features":{', '"features":{"__proto__":{"time":60},'), 'BAD_USER_INPUT'],
    ['half of a surrogate pair', good.replace('"strict"', '"\\ud800"'), 'BAD_USER_INPUT'],
    ['U+0000', good.replace('"strict"', '"a\\u0000"'), 'BAD_USER_INPUT'],
    ['another model', good.replace('consumer-credit', 'mortgage'), 'BAD_USER_INPUT'],
    ['an idempotency key in the body', good.replace('{', '{"idempotencyKey":"x",'), 'BAD_USER_INPUT'],
    ['a list', `[${good}]`, 'BAD_USER_INPUT'],
    ['null', 'null', 'BAD_USER_INPUT'],
    ['nothing', '', 'BAD_REQUEST'],
    ['half of it', good.slice(0, 40), 'BAD_REQUEST'],
  ])('refuses %s with 400, and stores nothing', async (_what, body, code) => {
    const before = await storedRows(gateway)
    const answer = await post(body)
    expect([answer.status, jsonOf(answer).code]).toEqual([400, code])
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(await storedRows(gateway)).toEqual(before)
  })

  it('takes a colon, a quote and a backslash in texts for what they are', async () => {
    const body = good.replace('"strict"', '"a:b \\": \\\\"')
    expect(jsonOf(await post(body)).applicantId).toBe('a:b ": \\')
  })

  it.each([
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/json; charset=utf-8', 200],
    ['application/json; charset=iso-8859-1', 400],
  ])('takes only JSON by its content type: %s is %d', async (type, status) => {
    expect((await post(good, { 'content-type': type })).status).toBe(status)
  })

  it('takes no compressed body, and none that only says so', async () => {
    expect((await post(good, { 'content-encoding': 'gzip' })).status).toBe(415)
  })

  it('takes no bytes of Latin-1', async () => {
    const bytes = Buffer.from(good.replace('"strict"', '"Jos\u00e9"'), 'latin1')
    const answer = await post(bytes)
    expect([answer.status, jsonOf(answer).detail]).toEqual([400, 'The request body is not UTF-8. Send JSON in UTF-8.'])
  })

  it('answers other methods and addresses with problems too', async () => {
    const put = await sendRest(gateway, '/predictions/x', { method: 'PUT', headers: { authorization } })
    expect([put.status, put.headers.get('allow'), jsonOf(put).code]).toEqual([405, 'GET, HEAD', 'BAD_REQUEST'])
    const nowhere = await sendRest(gateway, '/nowhere', { headers: { authorization } })
    expect([nowhere.status, jsonOf(nowhere).code, jsonOf(nowhere).status]).toEqual([404, 'NOT_FOUND', 404])
    const anonymous = await sendRest(gateway, '/models')
    expect([anonymous.status, anonymous.headers.get('www-authenticate'), jsonOf(anonymous).code]).toEqual([
      401,
      'Bearer',
      'UNAUTHENTICATED',
    ])
  })

  it('refuses an address that is not percent-encoded UTF-8, in its query too', async () => {
    for (const path of [
      '/models/%F1',
      '/predictions?applicantId=Mu%F1oz',
      '/predictions?channel=%zz',
      '/predictions?limit=1&%ff=1',
    ]) {
      const answer = await sendRest(gateway, path, { headers: { authorization } })
      expect([path, answer.status, jsonOf(answer).code]).toEqual([path, 400, 'BAD_REQUEST'])
    }
  })

  it('is the same door however its address is written', async () => {
    const { status, headers } = await exchange(`${gateway.url}/%61pi/models`, {})
    expect([status, headers.get('content-type')]).toEqual([401, 'application/problem+json; charset=utf-8'])
  })

  it('refuses a body over the limit with 413', async () => {
    const answer = await post(good.replace('"strict"', `"${'x'.repeat(2 * 1024 * 1024)}"`))
    expect([answer.status, jsonOf(answer).code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
  })
})

it('every answer has the form that OpenAPI shows', async () => {
  const routes = restRoutes(await loadContracts('models'))
  const [approved, refused] = await prepareReleases(gateway.database.url)
  const { id, createdAt } = await dataOf(predict('form', 'form/1'))
  const bodies: Record<string, unknown> = {
    predict: application('form-2'),
    predictBatch: { items: [application('form-3'), { ...application('form-4'), features: {} }] },
    recordOutcome: { defaulted: false, observedAt: createdAt },
    ...RELEASE_BODIES,
  }
  for (const { method, path, operationId, answer } of routes) {
    // A proposal can be approved only on the rollout that it was made on, and others of these operations change it.
    await gateway.database.sql`
      update release_changes c set details = json_build_object('version', c.details ->> 'version', 'proposedOn', r.revision)
      from model_rollouts r where r.model = c.model and c.state = 'PROPOSED'`
    const change = operationId === 'approveReleaseChange' ? approved : refused
    const values: Record<string, string> = { id, change, name: 'consumer-credit', version: '2' }
    const address = path.replace('/api', '').replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')
    const body = bodies[operationId]
    const given = await sendRest(gateway, address, {
      method,
      headers: { authorization },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    expect([operationId, given.status]).toEqual([operationId, 200])
    expect([operationId, answer.safeParse(JSON.parse(given.text)).error]).toEqual([operationId, undefined])
  }
})
