import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { signToken, startGateway } from '../support/gateway.js'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  CreateWebhookDocument,
  HighRiskScoredDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlpReceiver.js'
import { present, until } from '../support/process.js'
import { startReceiver } from '../support/receiver.js'
import { freePort } from '../support/redis.js'
import { CANARY } from '../support/refused.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

const ADMIN = { roles: ['ADMIN'] } as const
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'

interface Tree {
  readonly [name: string]: Tree
}

/** The spans of a trace as a tree of names. */
function treeOf(spans: readonly ReceivedSpan[], traceId: string, below = ''): Tree {
  const children = spans.filter(span => span.traceId === traceId && span.parentSpanId === below)
  return Object.fromEntries(children.map(({ name, spanId }) => [name, treeOf(spans, traceId, spanId)]))
}

const rootsOf = (spans: readonly ReceivedSpan[]) =>
  spans.filter(({ parentSpanId, name }) => parentSpanId === '' && name.startsWith('POST '))
const rootsWith = (spans: readonly ReceivedSpan[], traceId: string) =>
  spans.filter(span => span.traceId === traceId && span.name === 'POST /graphql')
const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter(span => span.name === name)
const warningsOf = (gateway: GatewayProcess) =>
  gateway.log().filter(({ message }) => /^traces cannot be sent/.test(String(message)))
const input = application(`${CANARY}-applicant`, LOW_RISK)

describe('the traces of a gateway', () => {
  let collector: OtlpReceiver
  beforeEach(async () => {
    collector = await startOtlpReceiver()
  })
  afterEach(() => collector[Symbol.asyncDispose]())

  const tracing = (ratio: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, RISKGATE_TRACE_RATIO: ratio })

  it('show the way of a score, whatever door it came through, and hold nothing of its input', async () => {
    const gateway = await startGateway(tracing('1'))
    const client = await gateway.as(ADMIN)
    for (let use = 1; use <= 3; use++) await client.data(PredictRiskDocument, { input: { ...input, idempotencyKey: CANARY } })
    await client.data(PredictRiskBatchDocument, { items: Array(5).fill(input) })
    await client.send({ query: `{ predictions(after: "${CANARY}") { nodes { id } } }` })
    await fetch(`${gateway.url}/api/predict`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await signToken(ADMIN)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'consumer-credit', applicantId: CANARY, features: LOW_RISK }),
    })
    // The root of a trace ends last. A stop waits for the last spans no longer than a second.
    await collector.until(spans => rootsOf(spans).length === 6)
    await gateway[Symbol.asyncDispose]()

    const { spans } = collector
    const roots = rootsOf(spans)
    const trees = roots.map(({ name, traceId }) => [name, treeOf(spans, traceId)[name]])
    const scored = { score: { 'model run': {} }, commit: { 'commit group': {} } }
    expect(trees).toEqual([
      ['POST /graphql', { parse: {}, validate: {}, gate: {}, ...scored }],
      // The same text again is in Apollo's cache; from its third use on the operation is prepared.
      ['POST /graphql', { gate: {}, ...scored }],
      ['POST /graphql', { gate: {}, ...scored }],
      ['POST /graphql', { parse: {}, validate: {}, gate: {}, 'score rows': { 'model run': {}, 'commit group': {} } }],
      ['POST /graphql', { parse: {}, validate: {}, gate: {} }],
      ['POST /api/predict', { gate: {}, ...scored }],
    ])
    const known = { 'http.request.method': 'POST', 'http.response.status_code': 200 }
    expect(roots.map(({ attributes }) => attributes)).toMatchObject([
      ...Array(3).fill({ ...known, 'http.route': '/graphql', 'riskgate.operation': 'predictRisk' }),
      { ...known, 'riskgate.operation': 'predictRiskBatch' },
      { 'riskgate.operation': 'predictions', 'http.response.status_code': 400, 'error.type': 'BAD_CURSOR' },
      { ...known, 'http.route': '/api/predict', 'riskgate.operation': 'predict' },
    ])
    for (const { resource, milliseconds } of spans) {
      expect(resource).toMatchObject({ 'service.name': 'riskgate', 'service.version': expect.any(String) })
      expect(milliseconds).toBeGreaterThanOrEqual(0)
    }
    expect(collector.headers).toMatchObject({ path: '/v1/traces', 'content-type': 'application/x-protobuf' })
    expect(collector.raw).not.toContain(CANARY)
    expect(collector.raw).not.toContain('test-client')
  })

  it('link the calls that share a run of the model or a statement, both ways', async () => {
    await using gateway = await startGateway(tracing('1'))
    const client = await gateway.as(ADMIN)
    const isLinked = (name: string) => named(collector.spans, name).some(({ links }) => links.length > 0)
    while (!(isLinked('model run') && isLinked('commit group'))) {
      await Promise.all(Array.from({ length: 30 }, () => client.data(PredictRiskDocument, { input })))
      const scored = collector.spans.length
      await collector.until(({ length }) => length > scored)
    }
    const { spans } = collector
    const neighbours = () => spans.flatMap(({ parentSpanId, links }) => [parentSpanId, ...links]).filter(id => id !== '')
    await collector.until(() => neighbours().every(id => spans.some(({ spanId }) => spanId === id)))
    const find = (id: string) => present(spans.find(({ spanId }) => spanId === id))
    for (const [shared, part] of [
      ['model run', 'score'],
      ['commit group', 'commit'],
    ] as const) {
      const linked = named(spans, shared).filter(({ links }) => links.length > 0)
      for (const run of linked) {
        expect(find(run.parentSpanId).name).toBe(part)
        expect(run.attributes['riskgate.group.size']).toBe(run.links.length + 1)
        for (const other of run.links.map(find)) {
          expect(other).toMatchObject({ name: part, links: [run.spanId] })
          expect(other.traceId).not.toBe(run.traceId)
        }
      }
    }
  })

  it('go on from the trace of a caller, and into webhooks; the log has their ids', async () => {
    await using endpoint = await startReceiver()
    await using database = await createTestDatabase()
    const settings = { DATABASE_URL: database.url, RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true', ...TEST_KEY }
    await using gateway = await spawnGateway({ ...settings, ...tracing('1') })
    const client = await gateway.as(ADMIN)
    await client.data(CreateWebhookDocument, { input: { url: endpoint.url } })
    await using alerts = subscribe(client, HighRiskScoredDocument, {})
    // Its subscription may begin after the first score.
    alerts.next().catch(() => {})
    const headers = { traceparent: `00-${TRACE}-${CALLER}-01`, baggage: `applicant=${CANARY}`, tracestate: `x=${CANARY}` }
    const body = { query: 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }' }
    // Again and again: a collector that a busy machine delays loses spans.
    await until(async () => {
      await client.send({ ...body, variables: { input: application(CANARY, HIGH_RISK) } }, headers)
      await client.send({ query: '{ viewer { id } }' })
      return ['alert delivery', 'webhook call'].every(name => named(collector.spans, name).length > 0)
    }, 50_000)
    const [call] = await endpoint.received(1)
    const { stdout } = await gateway.stop()

    const { spans } = collector
    const [request] = spans.filter(({ traceId, name }) => traceId === TRACE && name === 'POST /graphql')
    expect(request).toMatchObject({ parentSpanId: CALLER })
    expect(stdout).toContain(`"trace.id":"${TRACE}"`)
    const calls = named(spans, 'webhook call').map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`)
    expect(endpoint.calls.filter(({ headers }) => calls.includes(String(headers.traceparent))).length).toBeGreaterThan(0)
    expect(present(call).headers).not.toHaveProperty('baggage')
    const attempt = { 'riskgate.webhook.attempt': 1, 'http.response.status_code': 204 }
    expect(named(spans, 'webhook call')[0]).toMatchObject({ attributes: attempt, parentSpanId: '' })
    expect(collector.raw).not.toContain(CANARY)
    const traces = new Set(spans.map(({ traceId }) => traceId))
    const own = gateway.log().filter(line => line['riskgate.operation'] === 'viewer')
    expect(own.filter(line => traces.has(String(line['trace.id']))).length).toBeGreaterThan(0)
    expect(own.some(line => line['trace.id'] === TRACE)).toBe(false)
  })

  it('are made of the part of requests that the ratio names, and of those that their known callers trace', async () => {
    const gateway = await startGateway(tracing('0'))
    const client = await gateway.as(ADMIN)
    const call = (flags: string, authorization?: string) =>
      client.raw({
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          traceparent: `00-${TRACE}-${CALLER}-${flags}`,
          ...(authorization !== undefined && { authorization }),
        },
        body: '{"query":"{ viewer { id } }"}',
      })
    for (let i = 0; i < 20; i++) await client.send({ query: '{ viewer { id } }' })
    await call('00')
    await call('01', 'Bearer nobody')
    await call('01')
    await collector.until(spans => rootsWith(spans, TRACE).length > 0)
    await gateway[Symbol.asyncDispose]()
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
    expect(rootsWith(collector.spans, TRACE)).toHaveLength(1)
  })

  it('wait for a collector that hangs in bounded memory, and do not hold up the end', async () => {
    collector.hold()
    const gateway = await startGateway(tracing('1'))
    const client = await gateway.as(ADMIN)
    for (let i = 0; i < 30; i++) {
      await Promise.all(Array.from({ length: 50 }, () => client.data(PredictRiskDocument, { input })))
    }
    const given = collector.spans.length
    await gateway[Symbol.asyncDispose]()
    // Each of 1,500 requests has made four spans and a share of two more. At the end no more than the bound were still there, and
    // those on their way.
    const waited = collector.spans.length - given
    expect(waited).toBeGreaterThan(1_000)
    expect(waited).toBeLessThanOrEqual(2_048 + 512)
    collector.release()
  })
})

describe('a gateway whose collector is down', () => {
  it('serves, says so, and ends in order', async () => {
    await using database = await createTestDatabase()
    const endpoint = `http://127.0.0.1:${await freePort()}`
    const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, RISKGATE_TRACE_RATIO: '1' }
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY, ...traces })
    const client = await gateway.as(ADMIN)
    await until(async () => {
      await score(client, 'a')
      return warningsOf(gateway).length > 0
    }, 30_000)
    for (let i = 0; i < 20; i++) await score(client, 'a')
    expect(await gateway.stop()).toMatchObject({ status: 0, stderr: '' })
    expect(warningsOf(gateway)).toMatchObject([{ 'log.level': 'warn' }])
  })
})

describe('a gateway whose collector refuses its traces', () => {
  it('says so once for all of a row', async () => {
    await using database = await createTestDatabase()
    await using refusing = await startReceiver(400)
    const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${refusing.port}`, RISKGATE_TRACE_RATIO: '1' }
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY, ...traces })
    const client = await gateway.as(ADMIN)
    await until(async () => {
      await score(client, 'a')
      return refusing.calls.length >= 3
    }, 30_000)
    await gateway.stop()
    expect(warningsOf(gateway)).toMatchObject([{ 'log.level': 'warn' }])
  })
})

describe('without a collector', () => {
  /** Prints at the end how many modules of OpenTelemetry were loaded, besides the interfaces that prom-client brings. */
  const REPORT = `data:text/javascript,${encodeURIComponent(
    `import Module from 'node:module'
    process.on('exit', () => process.stderr.write(String(Object.keys(Module._cache).filter(file => /@opentelemetry\\/(?!api\\/)/.test(file)).length)))`,
  )}`

  it('no code of OpenTelemetry is loaded', async () => {
    await using database = await createTestDatabase()
    const loaded = async (settings: Record<string, string>) => {
      await using gateway = await spawnGateway({
        DATABASE_URL: database.url,
        NODE_OPTIONS: `--import=${REPORT}`,
        ...TEST_KEY,
        ...settings,
      })
      await score(await gateway.as(ADMIN), 'a')
      return Number((await gateway.stop()).stderr)
    }
    expect(await loaded({})).toBe(0)
    await using collector = await startOtlpReceiver()
    expect(await loaded({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint })).toBeGreaterThan(10)
  })
})
