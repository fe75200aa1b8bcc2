import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { HistoryDocument, PredictRiskBatchDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { exchange } from '../support/httpExchange.js'
import { metric, metricsOf } from '../support/metrics.js'
import { score } from '../support/stored.js'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

const get = (path: string, init?: RequestInit) => fetch(`${gateway.url}${path}`, { redirect: 'manual', ...init })

describe('health', () => {
  it('is alive and ready, without a token', async () => {
    const [alive, ready] = [await get('/healthz'), await get('/readyz')]
    expect({ status: alive.status, body: await alive.json() }).toEqual({ status: 200, body: { status: 'ok' } })
    expect({ status: ready.status, body: await ready.json() }).toEqual({
      status: 200,
      body: { status: 'ready', reasons: [] },
    })
  })

  it('is alive but not ready if the database could lose a commit', async () => {
    const { sql, url } = gateway.database
    const name = new URL(url).pathname.slice(1)
    await sql.unsafe(`alter database ${name} set synchronous_commit = off`)
    await using other = await startGateway({}, gateway.database)
    const [alive, ready] = [await fetch(`${other.url}/healthz`), await fetch(`${other.url}/readyz`)]
    await sql.unsafe(`alter database ${name} reset synchronous_commit`)
    expect([alive.status, ready.status]).toEqual([200, 503])
    expect(await ready.json()).toMatchObject({ status: 'not ready', reasons: [expect.stringContaining('synchronous_commit')] })
  })
})

describe('an idle connection', () => {
  it('is kept for as long as the setting says, 72 s by default', async () => {
    await using patient = await startGateway({ RISKGATE_KEEP_ALIVE_SECONDS: '620' }, gateway.database)
    const kept = async ({ url }: TestGateway) => (await exchange(`${url}/healthz`, {})).headers.get('keep-alive')
    expect([await kept(gateway), await kept(patient)]).toEqual(['timeout=72', 'timeout=620'])
  })
})

describe('metrics', () => {
  it('count requests that are refused before GraphQL', async () => {
    const refused = () => metric(gateway, 'riskgate_requests_total', { operation: 'none', code: 'UNAUTHENTICATED' })
    const before = (await refused()) ?? 0
    await (await gateway.as()).send({ query: '{ viewer { id } }' })
    expect(await refused()).toBe(before + 1)
  })

  it('show how long a refusal took', async () => {
    await (await gateway.as()).send({ query: '{ viewer { id } }' })
    const refusals = { operation: 'none', result: 'error' }
    expect(await metric(gateway, 'riskgate_request_duration_seconds_sum', refusals)).toBeGreaterThan(0)
  })

  it('count unknown URLs, and those that cannot be decoded', async () => {
    const refused = (code: string) =>
      metric(gateway, 'riskgate_requests_total', { operation: 'none', code }).then(count => count ?? 0)
    const before = [await refused('NOT_FOUND'), await refused('BAD_REQUEST')] as const
    for (const path of ['/nowhere', '/%zz']) await get(path)
    expect([await refused('NOT_FOUND'), await refused('BAD_REQUEST')]).toEqual([before[0] + 1, before[1] + 1])
  })

  it('count requests, runs of the model, commits and predictions by band, and show the queues', async () => {
    await using fresh = await startGateway()
    const scorer = await fresh.as({ roles: ['SCORER'] })
    for (let i = 0; i < 3; i++) await score(scorer, `low-${i}`, LOW_RISK)
    await score(scorer, 'high', HIGH_RISK)
    const once = { ...application('once'), idempotencyKey: 'once' }
    for (let i = 0; i < 2; i++) await scorer.data(PredictRiskDocument, { input: once })
    await scorer.request(PredictRiskDocument, { input: application('bad', { ...LOW_RISK, home: 'castle' }) })
    await scorer.data(PredictRiskBatchDocument, { items: [application('a', HIGH_RISK), application('b', HIGH_RISK)] })
    await scorer.data(HistoryDocument, {})
    await scorer.send({ query: '{ nothing }' })

    const of = (name: string, labels = {}) => metric(fresh, `riskgate_${name}`, labels)
    const requests = (operation: string, code: string) => of('requests_total', { route: '/graphql', operation, code })
    expect(await requests('predictRisk', 'OK')).toBe(6)
    expect(await requests('predictRisk', 'BAD_USER_INPUT')).toBe(1)
    expect(await requests('predictRiskBatch', 'OK')).toBe(1)
    expect(await requests('predictions', 'OK')).toBe(1)
    expect(await requests('none', 'GRAPHQL_VALIDATION_FAILED')).toBe(1)
    // The calls come one after another, so each has its own run and statement: 4 scores, 2 calls with one key, 1 batch.
    expect(await of('scoring_duration_seconds_count', { model: 'consumer-credit', version: '2' })).toBe(7)
    expect(await of('commit_duration_seconds_count')).toBe(7)
    expect(await of('commit_rows_sum')).toBe(8)
    expect(await of('predictions_total', { band: 'T2' })).toBe(4)
    expect(await of('predictions_total', { band: 'T8', model: 'consumer-credit', version: '2' })).toBe(3)
    expect(await of('predictions_total')).toBe(7)
    expect(await of('high_risk_predictions_total', { model: 'consumer-credit', version: '2' })).toBe(3)
    expect(await of('prediction_probability_count', { model: 'consumer-credit', version: '2' })).toBe(7)
    const mean = Number(await of('prediction_probability_sum')) / 7
    expect(mean).toBeGreaterThan(0.3)
    expect(mean).toBeLessThan(0.7)
    expect(await of('request_duration_seconds_count', { operation: 'predictRisk', result: 'ok' })).toBe(6)
    expect(await of('request_duration_seconds_count', { operation: 'predictRisk', result: 'error' })).toBe(1)
    expect(await of('database_call_duration_seconds_count', { pool: 'write', result: 'ok' })).toBeGreaterThanOrEqual(7)
    // Ten calls of the scorer with one token; the calls for the metrics count, too.
    expect(await of('cache_lookups_total', { cache: 'tokens', result: 'hit' })).toBeGreaterThanOrEqual(9)
    expect(await of('cache_lookups_total', { cache: 'tokens', result: 'miss' })).toBeGreaterThanOrEqual(1)
    // Apollo runs an operation twice before it is prepared.
    expect(await of('cache_lookups_total', { cache: 'prepared_operations', result: 'hit' })).toBe(5)
    expect(await of('cache_lookups_total', { cache: 'documents', result: 'hit' })).toBe(1)
    expect(await of('ready')).toBe(1)
    expect(await of('queue_length', { queue: 'scoring' })).toBe(0)
    expect(await of('queue_length', { queue: 'commit' })).toBe(0)
    expect(await of('alert_subscribers')).toBe(0)
    expect(await metric(fresh, 'process_cpu_seconds_total')).toBeGreaterThan(0)
  })

  it('have labels from closed lists only, never from texts of callers', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'], subject: 'label-subject', tenant: 'label-tenant' })
    await score(scorer, 'label-applicant')
    for (const query of ['query label_name { label_alias: viewer { id } }', '{ label_field }', '{ label'])
      await scorer.send({ query })
    const response = await metricsOf(gateway)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(await response.text()).not.toContain('label')
  })
})

describe('the id of a request', () => {
  it.each(['abc', '0af7651916cd43dd8448eb211c80319c', 'a.b_c-1', 'x'.repeat(64)])(
    'is the given one if it is plain: %s',
    async id => {
      for (const path of ['/healthz', '/nowhere', '/graphql']) {
        const { headers } = await get(path, { headers: { 'x-request-id': id } })
        expect(headers.get('x-request-id')).toBe(id)
      }
    },
  )

  it.each(['', 'with space', '<script>', 'x'.repeat(65), 'a;b', 'é', '{"a":1}'])('is a new one instead of %j', async id => {
    const { headers } = await get('/healthz', { headers: { 'x-request-id': id } })
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  })

  it('is a new one for each request without an id', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await get('/healthz')).headers.get('x-request-id')))
    expect(new Set(ids).size).toBe(20)
  })
})

describe('an unknown URL', () => {
  it.each([
    '/nowhere',
    '/graphql/x',
    '/assets/none.js',
    '/assets/',
    '/assets/..%2f..%2fpackage.json',
    '/playground/../../package.json',
    '/.env',
    '/metrics/x',
  ])('answers NOT_FOUND in JSON: %s', async path => {
    const response = await get(path)
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toEqual({
      errors: [
        {
          message: 'There is nothing at this address. Use /graphql, /graphql/stream, or an address of /api/docs.',
          extensions: { code: 'NOT_FOUND' },
        },
      ],
    })
  })
})
