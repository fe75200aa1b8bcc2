import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { application } from '../support/applicants.js'
import { type GraphqlClient, type GraphqlError, subscribeTo } from '../support/client.js'
import { type Caller, startGateway, type TestGateway } from '../support/gateway.js'
import {
  HighRiskScoredDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  ViewerDocument,
} from '../support/generated/operations.js'
import { watchWaits } from '../support/limiters.js'
import { metric } from '../support/metrics.js'
import { until } from '../support/process.js'
import { REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { storedRows } from '../support/stored.js'

const LIMITS = { RISKGATE_RATE_LIMIT_PRINCIPAL: '200', RISKGATE_RATE_LIMIT_TENANT: '300' }

const scorer = (subject: string, tenant: string): Caller => ({ roles: ['SCORER'], subject, tenant })
const rows = (count: number) => Array.from({ length: count }, (_, i) => application(`row-${i}`))
const batch = (client: GraphqlClient, count: number) => client.request(PredictRiskBatchDocument, { items: rows(count) })

describe('limits on operations', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(LIMITS)
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it('count a batch by its rows; past the limit it is not executed, and the answer says when to retry', async () => {
    const client = await gateway.as(scorer('batches', 'rows'))
    const first = await batch(client, 100)
    expect(first.status).toBe(200)
    expect(first.headers.get('ratelimit-limit')).toBe('200')
    expect(first.headers.get('ratelimit-remaining')).toBe('100')
    expect(first.headers.get('retry-after')).toBeNull()
    expect((await client.request(PredictRiskDocument, { input: application('single') })).status).toBe(200)
    const before = await storedRows(gateway)
    const refused = await batch(client, 100)
    expect(refused.status).toBe(429)
    expect(refused.errors).toEqual([
      {
        message: expect.stringMatching(
          /^The limit of this client for operations and rows is reached: try again in \d+ s\.$/,
        ) as string,
        extensions: { code: 'RATE_LIMITED', retryable: true },
      },
    ])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(10)
    // Parsing a document that is not known yet may cost a point.
    expect(Number(refused.headers.get('ratelimit-remaining'))).toBeGreaterThanOrEqual(97)
    expect(await storedRows(gateway)).toEqual(before)
    expect((await batch(client, 90)).status).toBe(200)
    expect(await metric(gateway, 'riskgate_rate_limited_total', { kind: 'principal' })).toBe(1)
  })

  it('apply to the whole tenant, and do not affect another', async () => {
    const [first, second, other] = await Promise.all([
      gateway.as(scorer('first', 'crowd')),
      gateway.as(scorer('second', 'crowd')),
      gateway.as(scorer('first', 'elsewhere')),
    ])
    for (const client of [first, first, second]) expect((await batch(client, 100)).status).toBe(200)
    const { status, errors } = await batch(second, 1)
    expect({ status, message: errors?.[0]?.message }).toMatchObject({
      status: 429,
      message: expect.stringContaining('the tenant of this client') as string,
    })
    expect((await batch(other, 100)).status).toBe(200)
    expect(await metric(gateway, 'riskgate_rate_limited_total', { kind: 'tenant' })).toBe(1)
  })

  it('also apply to server-sent events and WebSocket', async () => {
    const caller: Caller = { roles: ['SCORER', 'MONITOR'], subject: 'streams', tenant: 'streams' }
    const client = await gateway.as(caller)
    for (const _ of [1, 2]) expect((await batch(client, 100)).status).toBe(200)
    const sockets = client.sockets()
    const errors = (await subscribeTo(sockets, HighRiskScoredDocument, {})
      .next()
      .catch((reason: unknown) => reason)) as GraphqlError[]
    expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryable: true } }])
    await sockets.dispose()
    const failure = await subscribeTo(client.eventStreams(), HighRiskScoredDocument, {})
      .next()
      .catch((reason: { response?: Response }) => reason)
    expect((failure as { response?: Response }).response?.status).toBe(429)
  })
})

describe.skipIf(!REDIS_SERVER)('limits on operations over replicas', () => {
  let redis: TestRedis
  const replicas: TestGateway[] = []
  beforeAll(async () => {
    redis = await startRedis()
    const first = await startGateway({
      RISKGATE_RATE_LIMIT_PRINCIPAL: '60',
      RISKGATE_RATE_LIMIT_TENANT: '0',
      REDIS_URL: redis.url,
    })
    replicas.push(first)
    for (const _ of [2, 3]) {
      replicas.push(await startGateway({ ...first.environment, RISKGATE_PORT: '0' }, first.database))
    }
  })
  afterEach(() => {
    try {
      process.kill(redis.pid, 'SIGCONT')
    } catch {
      // The process is already gone.
    }
  })
  afterAll(async () => {
    for (const replica of replicas.reverse()) await replica[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  /** Makes one call after another, on the replicas in turn; returns how many passed. */
  async function calls(subject: string, count: number): Promise<number> {
    const clients = await Promise.all(replicas.map(replica => replica.as(scorer(subject, 'replicas'))))
    let passed = 0
    for (let i = 0; i < count; i++) {
      const { status } = await (clients[i % clients.length] as GraphqlClient).request(ViewerDocument, {})
      if (status === 200) passed++
      else expect(status).toBe(429)
    }
    return passed
  }

  // Points of a limit this small are leased one by one, so that exactly the limit passes.
  it('are shared by all replicas', async () => {
    let attempt = 0
    await until(async () => {
      return (await calls(`together-${attempt++}`, 100)) === 60
    })
  })

  it('apply to each replica alone while Redis is frozen or gone, and no call fails', async () => {
    process.kill(redis.pid, 'SIGSTOP')
    using waits = watchWaits()
    expect(await calls('frozen', 220)).toBe(180)
    // The first call of each replica, for as long as a command may take.
    expect(waits.count).toBeLessThanOrEqual(replicas.length)
    process.kill(redis.pid, 'SIGCONT')
    await redis.kill()
    expect(await calls('killed', 220)).toBe(180)
  })
})
