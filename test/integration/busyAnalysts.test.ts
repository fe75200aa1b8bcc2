import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppError } from '../../src/errors.js'
import { openFeedEpoch } from '../../src/storage/postgres/feedEpoch.js'
import { createKey } from '../support/apiKeys.js'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { addEntries, sealAll } from '../support/audit.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  CreateWebhookDocument,
  PredictionByIdDocument,
  PredictionByKeyDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  RiskSummaryDocument,
} from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { type Receiver, startReceiver } from '../support/receiver.js'
import { storesOf } from '../support/stores.js'

// Many more than there are connections for reads: a read that joins them waits for longer than its deadline.
const HEAVY_QUERIES = 60
const YEAR = { from: '2026-01-01T00:00:00Z', to: '2026-12-31T00:00:00Z', interval: 'MONTH', timeZone: 'UTC' } as const

/** Keeps every connection for reads busy until `end`: a lock stands for rows that take long to add up. */
async function startHeavyQueries(gateway: TestGateway) {
  const analyst = await gateway.as({ roles: ['ANALYST'], subject: 'heavy' })
  const lock = await gateway.database.sql.reserve()
  await lock`begin`
  await lock`lock table risk_rollups in access exclusive mode`
  let isEnding = false
  const ask = async () => {
    while (!isEnding) await analyst.request(RiskSummaryDocument, YEAR)
  }
  const asking = Array.from({ length: HEAVY_QUERIES }, ask)
  return {
    async end() {
      isEnding = true
      await lock`rollback`
      lock.release()
      await Promise.all(asking)
    },
  }
}

describe('while heavy queries of analysts keep every connection for reads busy', () => {
  let gateway: TestGateway
  let scorer: GraphqlClient
  let heavy: Awaited<ReturnType<typeof startHeavyQueries>>
  let keys: Awaited<ReturnType<typeof createKey>>[]
  let endpoint: Receiver
  const keyed = (idempotencyKey: string, applicant = idempotencyKey) => ({
    ...application(applicant, LOW_RISK),
    idempotencyKey,
  })

  beforeAll(async () => {
    gateway = await startGateway({
      RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
      RISKGATE_RATE_LIMIT_TENANT: '0',
      RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
    })
    endpoint = await startReceiver()
    const admin = await gateway.as({ roles: ['ADMIN'] })
    await admin.data(CreateWebhookDocument, { input: { url: endpoint.url } })
    scorer = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
    keys = await Promise.all(Array.from({ length: 8 }, (_, i) => createKey(admin, { principal: `app-${i}` })))
    for (let i = 0; i < 10; i++) await scorer.data(PredictRiskDocument, { input: keyed(`k-${i}`) })
    await scorer.data(PredictRiskDocument, { input: application('risky', HIGH_RISK) })
    await endpoint.received(1)
    heavy = await startHeavyQueries(gateway)
    const { id } = (await scorer.data(PredictRiskDocument, { input: keyed('other') })).predictRisk.prediction
    const analyst = await gateway.as({ roles: ['ANALYST'] })
    await until(async () => (await analyst.request(PredictionByIdDocument, { id })).status === 503, 30_000)
  }, 90_000)
  afterAll(async () => {
    await heavy?.end()
    await gateway?.[Symbol.asyncDispose]()
    await endpoint?.[Symbol.asyncDispose]()
  })

  it('a new key is scored', async () => {
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: keyed('new') })
    expect(predictRisk.replayed).toBe(false)
  })

  it.each(Array.from({ length: 10 }, (_, i) => `k-${i}`))('the repeated key %s gets its first prediction', async key => {
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: keyed(key) })
    expect(predictRisk).toMatchObject({ replayed: true, prediction: { applicantId: key } })
  })

  it('a key that is used for another input is refused', async () => {
    const { errors } = await scorer.request(PredictRiskDocument, { input: keyed('k-0', 'another') })
    expect(errors?.[0]?.extensions.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('a batch gets new and repeated predictions', async () => {
    const { predictRiskBatch } = await scorer.data(PredictRiskBatchDocument, { items: [keyed('k-1'), keyed('in-batch')] })
    expect(predictRiskBatch.results.map(({ replayed }) => replayed)).toEqual([true, false])
  })

  it('predictionByKey answers a scorer whose outcome was unknown', async () => {
    const { predictionByKey } = await scorer.data(PredictionByKeyDocument, { key: 'k-2' })
    expect(predictionByKey?.applicantId).toBe('k-2')
  })

  it('a due delivery reaches its webhook', async () => {
    await gateway.database.sql`update webhook_deliveries set state = 'PENDING', due_at = now()`
    const [first, again] = await endpoint.received(2)
    expect(again?.id).toBe(first?.id)
  })

  it('API keys are accepted at their first use', async () => {
    const answers = await Promise.all(
      keys.map((key, i) => key.at(gateway).request(PredictRiskDocument, { input: keyed(`by-key-${i}`) })),
    )
    expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200))
  })
})

describe('while reads of analysts keep their connections busy', () => {
  it('the feed goes on as it grows, and entries of the audit are sealed', async () => {
    await using owned = await createTestDatabase()
    const { database, alerts } = storesOf(owned.url)
    await openFeedEpoch(owned.sql)
    await addEntries(owned.sql, 3)
    const position = await alerts.now()
    // A sleep holds no transaction that writes, which the feed and the seals would wait for.
    const busy = Array.from({ length: 60 }, () => database.read(({ sql }) => sql`select pg_sleep(0.5)`).catch(() => {}))
    const [refused, alertsOfNow, isHeldBack, seals] = await Promise.all([
      alerts.check(position).catch((error: AppError) => error.code),
      alerts.read({ after: position, limit: 10 }),
      alerts.isHeldBack(position),
      sealAll(database),
    ])
    expect(refused).toBe('SERVICE_UNAVAILABLE')
    expect([alertsOfNow, isHeldBack, seals.map(({ entries }) => entries)]).toEqual([[], false, [3]])
    await Promise.all(busy)
    await database.close()
  })
})
