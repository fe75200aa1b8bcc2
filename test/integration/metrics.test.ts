import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RISK_BANDS } from '../../src/scoring/bands.js'
import { CANARY, sendEverything } from '../support/busyTraffic.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { makeKey, startIssuer, type TestIssuer } from '../support/issuer.js'
import { misnamed } from '../support/metricNames.js'
import { metric, metricsOf } from '../support/metrics.js'
import { until } from '../support/process.js'
import { type Family, familiesOf } from '../support/promText.js'
import { startRedis, type TestRedis } from '../support/redis.js'

/** docs/operations/health-and-metrics.md promises it, for a gateway with one model. */
const MOST_SERIES = 2_500
const ROUNDS = 4

const PAGE = readFileSync('docs/operations/health-and-metrics.md', 'utf8')
const RULES = ['alerts', 'recording'].map(name => readFileSync(`deploy/prometheus/rules/${name}.yml`, 'utf8')).join('\n')
const DASHBOARDS = readdirSync('deploy/grafana/dashboards')
  .map(name => readFileSync(`deploy/grafana/dashboards/${name}`, 'utf8'))
  .join('\n')

let gateway: TestGateway
let redis: TestRedis
let issuer: TestIssuer
let afterOneRound: Family[]
let text: string
let families: Family[]
beforeAll(async () => {
  ;[redis, issuer] = await Promise.all([startRedis(), startIssuer([makeKey('ES256', 'one')])])
  gateway = await startGateway({
    REDIS_URL: redis.url,
    RISKGATE_JWKS_URL: issuer.url,
    RISKGATE_JWT_ISSUER: 'riskgate',
    RISKGATE_JWT_AUDIENCE: 'riskgate',
    RISKGATE_RATE_LIMIT_ADDRESS: '0',
  })
  // A fresh connection to Redis is not trusted at once.
  await until(async () => (await metric(gateway, 'riskgate_redis_up')) === 1)
  await sendEverything(gateway, 0)
  afterOneRound = familiesOf(await (await metricsOf(gateway)).text())
  for (let round = 1; round < ROUNDS; round++) await sendEverything(gateway, round)
  text = await (await metricsOf(gateway)).text()
  families = familiesOf(text)
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

const size = (all: readonly Family[]) => all.reduce((sum, { series }) => sum + series.length, 0)

describe('the series of a busy gateway', () => {
  it('stay below the bound that the documentation names, and hardly grow with further callers', () => {
    expect(PAGE).toContain(`below ${MOST_SERIES.toLocaleString('en')} series`)
    expect(size(families)).toBeLessThan(MOST_SERIES)
    // Each round has another tenant, other principals, applicants, keys and request ids.
    expect(size(families) - size(afterOneRound)).toBeLessThan(200)
  })

  it('come from calls that reached every route, and met many codes', () => {
    const requests = families.find(({ name }) => name === 'riskgate_requests_total')?.series ?? []
    const seen = (label: string) => [...new Set(requests.map(({ labels }) => labels[label]))]
    expect(seen('route')).toEqual(
      expect.arrayContaining([
        '/graphql',
        '/api/predict',
        '/api/predict/batch',
        '/api/predictions',
        '/api/predictions/{id}',
        '/api/predictions/{id}/outcome',
        '/api/models',
        '/api/models/{name}',
        'none',
      ]),
    )
    expect(seen('code')).toEqual(
      expect.arrayContaining([
        'OK',
        'BAD_REQUEST',
        'BAD_USER_INPUT',
        'BAD_CURSOR',
        'FORBIDDEN',
        'GRAPHQL_PARSE_FAILED',
        'GRAPHQL_VALIDATION_FAILED',
        'IDEMPOTENCY_KEY_REUSED',
        'MODEL_NOT_FOUND',
        'NOT_FOUND',
        'SUBSCRIPTION_REQUIRES_WEBSOCKET',
        'UNAUTHENTICATED',
      ]),
    )
  })

  it('count hits and misses of every cache', () => {
    const lookups = families.find(({ name }) => name === 'riskgate_cache_lookups_total')?.series ?? []
    const of = (cache: string) => lookups.filter(({ labels }) => labels.cache === cache).map(({ value }) => value)
    for (const cache of ['tokens', 'api_keys', 'documents', 'prepared_operations', 'latest_predictions']) {
      expect([cache, ...of(cache)]).toEqual([cache, expect.any(Number), expect.any(Number)])
      for (const count of of(cache)) expect(`${cache} ${count}`).not.toBe(`${cache} 0`)
    }
  })

  it('hold no value of a caller', () => {
    expect(text.toLowerCase()).not.toContain(CANARY)
  })

  it('show closed lists from zero: an alert on growth sees the first increase', () => {
    const labelsOf = (name: string, label: string) =>
      families.find(family => family.name === name)?.series.map(({ labels }) => labels[label])
    expect(labelsOf('riskgate_webhook_attempts_total', 'result')).toEqual(['failed', 'delivered', 'dead'])
    expect(labelsOf('riskgate_rate_limited_total', 'kind')).toEqual(['principal', 'tenant', 'address', 'streams'])
    expect(labelsOf('riskgate_predictions_total', 'band')).toEqual(RISK_BANDS)
    expect(labelsOf('riskgate_key_set_fetches_total', 'result')).toEqual(['ok', 'failed'])
  })
})

describe('the names of metrics', () => {
  /** The names that a text has, without the endings of histograms. Names with colons are those of recording rules. */
  function namesIn(some: string): string[] {
    const found = [...some.matchAll(/(?<![\w:])((?:riskgate|process|nodejs)_[a-z0-9_]+)(?![\w:])/g)].map(([, name = '']) => name)
    const histograms = new Set(families.filter(({ type }) => type === 'histogram').map(({ name }) => name))
    const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '')
    return [...new Set(found.map(name => (histograms.has(base(name)) ? base(name) : name)))].sort()
  }
  // A certificate alone makes this one; test/unit/start/certificate.test.ts tests it.
  // Only with a certificate, and only where MLflow is followed.
  const elsewhere = ['riskgate_tls_certificate_expiry_timestamp_seconds', 'riskgate_mlflow_up', 'riskgate_mlflow_in_step']
  const known = () => [...families.map(({ name }) => name), ...elsewhere].sort()

  it('stand in the table of the documentation, with their labels, and no other does', () => {
    const table = PAGE.split('\n## ').find(section => section.startsWith('Metrics')) ?? ''
    const rows = [...table.matchAll(/^\| `([^|]+)` \|/gm)].flatMap(([, cell = '']) => cell.split('`, `'))
    const shown = Object.fromEntries(
      rows
        .filter(row => row.startsWith('riskgate_'))
        .map(row => [row.split('{')[0], /\{(.*)\}/.exec(row)?.[1]?.split(',') ?? []]),
    )
    expect(Object.keys(shown).sort()).toEqual(known().filter(name => name.startsWith('riskgate_')))
    for (const { name, series } of families.filter(family => family.name.startsWith('riskgate_') && family.series.length > 0)) {
      const labels = new Set(series.flatMap(one => Object.keys(one.labels)).filter(label => label !== 'le'))
      expect([name, [...labels]]).toEqual([name, shown[name]])
    }
  })

  it('that rules and dashboards use exist', () => {
    for (const some of [RULES, DASHBOARDS]) {
      const used = namesIn(some)
      expect(used.length).toBeGreaterThan(15)
      expect(used.filter(name => !known().includes(name))).toEqual([])
    }
  })

  it('of recording rules that alerts and dashboards use exist', () => {
    const recorded = [...RULES.matchAll(/- record: (\S+)/g)].map(([, name]) => name)
    const used = [...`${RULES}\n${DASHBOARDS}`.matchAll(/\b(job\w*:riskgate\w+:\w+)/g)].map(([, name]) => name)
    expect(used.length).toBeGreaterThan(10)
    expect(used.filter(name => !recorded.includes(name))).toEqual([])
  })

  it('and their units follow the conventions of Prometheus', () => {
    expect(families.length).toBeGreaterThan(60)
    expect(families.flatMap(misnamed)).toEqual([])
  })

  it.skipIf(!process.env.TEST_PROMTOOL)('and their units please promtool, those of Node too', () => {
    const { stderr, status } = spawnSync(String(process.env.TEST_PROMTOOL), ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
  })
})
