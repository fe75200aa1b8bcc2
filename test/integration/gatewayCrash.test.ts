import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { PredictionByKeyDocument } from '../support/generated/operations.js'
import { type CallResults, missing, runLoad, send } from '../support/load.js'
import { until } from '../support/process.js'

const SCORER = { roles: ['SCORER'], subject: 'web-shop' } as const
const KILLS = 3

describe('a gateway that is killed with kill -9 under load', () => {
  let database: TestDatabase
  let gateway: GatewayProcess
  const rounds: CallResults[] = []
  const start = () => spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY })

  beforeAll(async () => {
    database = await createTestDatabase()
    for (let kill = 0; kill < KILLS; kill++) {
      gateway = await start()
      let acknowledged = 0
      const load = runLoad(await gateway.as(SCORER), results => {
        acknowledged = results.acknowledged.length
        return false
      })
      await until(() => acknowledged > 150)
      await gateway.kill()
      rounds.push(await load)
    }
    gateway = await start()
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('was killed during calls', () => {
    for (const { acknowledged, unanswered, failed } of rounds) {
      expect(acknowledged.length).toBeGreaterThan(150)
      expect(unanswered.length).toBeGreaterThan(0)
      expect(failed).toEqual([])
    }
  })

  it('has lost no prediction that it acknowledged', async () => {
    const analyst = await gateway.as({ roles: ['ANALYST'] })
    for (const round of rounds) expect(await missing(analyst, round)).toEqual([])
  })

  it('has stored each key once, with a prediction, and with an alert if that is high risk', async () => {
    const keys = await database.sql`
      select from idempotency_keys left join predictions on predictions.id = prediction_id
      group by idempotency_keys.tenant, principal, key having count(predictions.id) <> 1`
    expect(keys).toEqual([])
    const doubled = await database.sql`select applicant_id from predictions group by applicant_id having count(*) > 1`
    expect(doubled).toEqual([])
    const halves = await database.sql`
      select from predictions full join alerts on id = prediction_id where high_risk is distinct from (prediction_id is not null)`
    expect(halves).toHaveLength(0)
  })

  it('stores one row for each unanswered key when the client sends it again, twice at once', async () => {
    const scorer = await gateway.as(SCORER)
    const keyed = rounds.flatMap(({ unanswered }) => unanswered).filter(({ idempotencyKey }) => idempotencyKey !== undefined)
    expect(keyed.length).toBeGreaterThan(0)
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    await Promise.all([...keyed, ...keyed].map(call => send(scorer, call, results)))
    expect(results).toMatchObject({ failed: [], unanswered: [] })
    for (const { applicantId, idempotencyKey = '' } of keyed) {
      const rows = await database.sql<{ id: string }[]>`select id from predictions where applicant_id = ${applicantId}`
      expect(rows).toHaveLength(1)
      const answers = results.acknowledged.filter(call => call.applicantId === applicantId)
      expect(answers.map(({ id }) => id)).toEqual([rows[0]?.id, rows[0]?.id])
      const { predictionByKey } = await scorer.data(PredictionByKeyDocument, { key: idempotencyKey })
      expect(predictionByKey?.id).toBe(rows[0]?.id)
    }
  })
})
