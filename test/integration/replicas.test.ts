import { EventEmitter } from 'node:events'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POLL_MS } from '../../src/alerts/feed.js'
import { RedisHints } from '../../src/alerts/redisHints.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  ApplicantHistoryDocument,
  EraseApplicantDocument,
  HighRiskScoredDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { freePort, REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { UNHEARD } from '../support/redisLink.js'
import { subscribe } from '../support/subscription.js'

const MONITOR = { roles: ['MONITOR'] } as const
const SCORER = { roles: ['SCORER'], subject: 'web-shop' } as const
const ADMIN = { roles: ['ADMIN'] } as const
const ANALYST = { roles: ['ANALYST'] } as const

async function score(client: GraphqlClient, applicantId: string, features = HIGH_RISK) {
  const { predictRisk } = await client.data(PredictRiskDocument, {
    input: { applicantId, features: { consumerCredit: features } },
  })
  return predictRisk.prediction
}

async function latest(client: GraphqlClient, id: string) {
  const { applicant } = await client.data(ApplicantHistoryDocument, { id })
  return applicant?.latestPrediction
}

describe('two gateways on one Postgres without Redis', () => {
  it('deliver each alert to a subscriber of the other within a second, and measure how long that took', async () => {
    await using first = await startGateway()
    await using second = await startGateway({}, first.database)
    const monitor = await second.as(MONITOR)
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    await expect.poll(() => metric(second, 'riskgate_alert_subscribers')).toBe(1)
    const scorer = await first.as(SCORER)
    const delays: number[] = []
    for (let i = 0; i < 5; i++) {
      const scored = await score(scorer, `alone-${i}`)
      const committedAt = performance.now()
      expect((await alerts.next()).highRiskScored.id).toBe(scored.id)
      delays.push(performance.now() - committedAt)
    }
    // Each alert comes with the next look at the database, or with the one after it.
    expect(2 * POLL_MS).toBeLessThanOrEqual(1_000)
    process.stdout.write(`alerts without Redis: at most ${Math.max(...delays).toFixed(0)} ms to the other replica\n`)
    expect(await metric(second, 'riskgate_alert_delay_seconds_count')).toBeGreaterThanOrEqual(4)
    expect(await metric(second, 'riskgate_alert_delay_seconds_sum')).toBeGreaterThan(0)
  })
})

describe.skipIf(!REDIS_SERVER)('two gateways on one Postgres and one Redis', () => {
  let redis: TestRedis
  let first: TestGateway
  let second: TestGateway
  let port: number
  beforeAll(async () => {
    port = await freePort()
    redis = await startRedis(port)
    first = await startGateway({ REDIS_URL: redis.url })
    second = await startGateway({ REDIS_URL: redis.url }, first.database)
  })
  afterAll(async () => {
    await second[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  /** Waits until both trust Redis: until both find a prediction that is only there. */
  async function bothBelieveRedis() {
    const { id } = await score(await first.as(SCORER), 'ghost')
    await first.database.sql`delete from predictions where id = ${id}`
    for (const gateway of [first, second]) {
      const analyst = await gateway.as(ANALYST)
      await until(async () => (await latest(analyst, 'ghost')) !== undefined)
    }
  }

  it('deliver the alert of a score on the first to a subscriber of the second', async () => {
    await using alerts = subscribe(await second.as(MONITOR), HighRiskScoredDocument, {
      after: (await (await second.as(MONITOR)).data(AlertCursorDocument, {})).alertCursor,
    })
    const scored = await score(await first.as(SCORER), 'seen-elsewhere')
    const { highRiskScored } = await alerts.next()
    expect(highRiskScored.prediction).toEqual(scored)
  })

  it('send another hint for a commit that came while a hint was on its way', async () => {
    const [publisher, watcher] = [new Redis(redis.url), new Redis(redis.url)]
    let hinted = 0
    watcher.on('message', () => hinted++)
    await watcher.subscribe('riskgate:alerts')
    const subscriber = Object.assign(new EventEmitter(), { client: publisher, isReady: false })
    const ready = Object.assign(new EventEmitter(), { client: publisher, isReady: true })
    const hints = new RedisHints({ publisher: ready, subscriber, sent: UNHEARD, received: UNHEARD })
    for (let i = 0; i < 5; i++) hints.publish()
    await expect.poll(() => hinted).toBe(2)
    await publisher.ping()
    expect(hinted).toBe(2)
    hints.publish()
    await expect.poll(() => hinted).toBe(3)
    publisher.disconnect()
    watcher.disconnect()
  })

  it('wake the other one by a hint, not only by its poll', async () => {
    const watcher = new Redis(redis.url)
    await watcher.subscribe('riskgate:alerts')
    const hinted = new Promise(resolve => watcher.once('message', resolve))
    await score(await first.as(SCORER), 'hinted')
    await hinted
    watcher.disconnect()
  })

  it('read the latest prediction that the other one wrote, and never an older one', async () => {
    const [scorer, otherScorer] = [await first.as(SCORER), await second.as(SCORER)]
    const [analyst, otherAnalyst] = [await first.as(ANALYST), await second.as(ANALYST)]
    for (let i = 0; i < 20; i++) {
      const scored = await score(i % 2 ? scorer : otherScorer, 'watched', i % 3 ? HIGH_RISK : LOW_RISK)
      expect(await latest(i % 2 ? otherAnalyst : analyst, 'watched')).toEqual(scored)
    }
  })

  it('never read an older prediction while both score the same applicant at once', async () => {
    const clients = [await first.as(SCORER), await second.as(SCORER)]
    const analysts = [await first.as(ANALYST), await second.as(ANALYST)]
    let acknowledged = ''
    for (let round = 0; round < 10; round++) {
      const before = acknowledged
      const [scored, read] = await Promise.all([
        Promise.all(Array.from({ length: 8 }, (_, i) => score(present(clients[i % 2]), 'contended'))),
        Promise.all(analysts.map(analyst => latest(analyst, 'contended'))),
      ])
      for (const prediction of read) expect((prediction?.id ?? '') >= before).toBe(true)
      acknowledged = scored.reduce((newest, { id }) => (id > newest ? id : newest), '')
      for (const analyst of analysts) expect((await latest(analyst, 'contended'))?.id).toBe(acknowledged)
    }
  })

  it('ignore an unreadable value in Redis', async () => {
    const scored = await score(await first.as(SCORER), 'garbled')
    const client = new Redis(redis.url)
    const keys = await client.keys('riskgate:latest:*')
    for (const garbage of ['', '{', `${scored.id}not json`, `${scored.id}null`, `${scored.id}{}`]) {
      for (const key of keys) await client.set(key, garbage)
      expect(await latest(await second.as(ANALYST), 'garbled')).toEqual(scored)
    }
    await client.flushall()
    client.disconnect()
  })

  it('keep every applicant reference out of Redis', async () => {
    const client = new Redis(redis.url)
    const monitored: string[] = []
    const monitor = await client.monitor()
    monitor.on('monitor', (_time: string, parts: string[]) => monitored.push(parts.join(' ')))
    const scorer = await first.as(SCORER)
    const canary = 'canary-applicant-7391'
    for (const features of [HIGH_RISK, LOW_RISK]) await score(scorer, canary, features)
    expect(await latest(await second.as(ANALYST), canary)).toBeTruthy()
    const keys = await client.keys('*')
    const values = await Promise.all(keys.map(key => client.get(key)))
    expect(keys.length).toBeGreaterThan(0)
    expect([...keys, ...values, ...monitored].filter(text => text?.includes(canary))).toEqual([])
    expect(monitored.some(command => command.includes('riskgate:latest:'))).toBe(true)
    monitor.disconnect()
    client.disconnect()
  })

  it('let cached values expire, so that a lost write does not matter for ever', async () => {
    await score(await first.as(SCORER), 'expiring')
    const client = new Redis(redis.url)
    const keys = await client.keys('riskgate:latest:*')
    const lifetimes = await Promise.all(keys.map(key => client.ttl(key)))
    expect(lifetimes.filter(seconds => seconds < 1 || seconds > 60)).toEqual([])
    client.disconnect()
  })

  it('work without Redis, and with it again', async () => {
    const [scorer, monitor, analyst] = [await first.as(SCORER), await second.as(MONITOR), await second.as(ANALYST)]
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    const scoreMany = async (name: string) => {
      const scored = await Promise.all(Array.from({ length: 20 }, (_, i) => score(scorer, `${name}-${i}`)))
      const raised = await Promise.all(scored.map(() => alerts.next()))
      expect(raised.map(({ highRiskScored }) => highRiskScored.id).sort()).toEqual(scored.map(({ id }) => id).sort())
      expect(await latest(analyst, `${name}-0`)).toEqual(scored[0])
    }
    await scoreMany('with')
    await redis.kill()
    await scoreMany('without')
    redis = await startRedis(port)
    await scoreMany('with-again')
    const client = new Redis(redis.url)
    const subscribers = async () => Number((await client.pubsub('NUMSUB', 'riskgate:alerts'))[1])
    await expect.poll(subscribers).toBe(2)
    await scoreMany('at-last')
    client.disconnect()
  })

  it('work while Redis is frozen', async () => {
    const [scorer, monitor] = [await first.as(SCORER), await second.as(MONITOR)]
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    process.kill(redis.pid, 'SIGSTOP')
    try {
      const scored = await Promise.all(Array.from({ length: 20 }, (_, i) => score(scorer, `frozen-${i}`)))
      const raised = await Promise.all(scored.map(() => alerts.next()))
      expect(raised.map(({ highRiskScored }) => highRiskScored.id).sort()).toEqual(scored.map(({ id }) => id).sort())
      expect(await latest(await second.as(ANALYST), 'frozen-0')).toEqual(scored[0])
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
  })

  it('show a client that may score its own newest score on both replicas, even if Redis holds an old one', async () => {
    const admins = [await first.as(ADMIN), await second.as(ADMIN)]
    await bothBelieveRedis()
    await score(present(admins[0]), 'own', LOW_RISK)
    const client = new Redis(redis.url)
    const keys = await client.keys('riskgate:latest:*')
    const old = new Map(await Promise.all(keys.map(async key => [key, (await client.get(key)) ?? ''] as const)))
    const scored = await score(present(admins[0]), 'own')
    // A Redis that thaws or restarts may hold these old values.
    await client.mset(old)
    client.disconnect()
    for (const admin of admins) expect((await latest(admin, 'own'))?.id).toBe(scored.id)
  })

  it('both forget an erased applicant, even if Redis is frozen at that moment', async () => {
    const [scorer, admin] = [await first.as(SCORER), await first.as(ADMIN)]
    const analysts = [await first.as(ANALYST), await second.as(ANALYST)]
    await score(scorer, 'erased')
    for (const analyst of analysts) expect(await latest(analyst, 'erased')).toBeTruthy()
    process.kill(redis.pid, 'SIGSTOP')
    try {
      await admin.data(EraseApplicantDocument, { applicantId: 'erased' })
      for (const analyst of analysts) expect(await latest(analyst, 'erased')).toBeUndefined()
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
    await bothBelieveRedis()
    for (const analyst of analysts) expect(await latest(analyst, 'erased')).toBeUndefined()
  })

  it('start and serve while Redis is away', async () => {
    await using alone = await startGateway({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` })
    const scored = await score(await alone.as(SCORER), 'lonely')
    expect(await latest(await alone.as(ANALYST), 'lonely')).toEqual(scored)
  })
})
