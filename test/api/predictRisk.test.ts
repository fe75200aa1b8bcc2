import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { type TestGateway, startGateway } from '../support/gateway.js'
import { PredictRiskDocument } from './generated/operations.js'

describe('predictRisk', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it('answers with probability and band, and has stored the row by then', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'], subject: 'web-shop' })
    const { predictRisk } = await scorer.data(PredictRiskDocument, {
      input: { applicantId: 'a-1', channel: 'web', features: { consumerCredit: LOW_RISK } },
    })
    expect(predictRisk.replayed).toBe(false)
    expect(predictRisk.prediction).toMatchObject({ applicantId: 'a-1', band: 'T2', highRisk: false, channel: 'web', requestedBy: 'web-shop' })
    const rows = await gateway.database.sql`select probability, features from predictions where id = ${predictRisk.prediction.id}`
    expect(rows).toEqual([{ probability: predictRisk.prediction.probability, features: LOW_RISK }])
  })

  it('puts a high-risk score into the alert log in the same statement', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const { predictRisk } = await scorer.data(PredictRiskDocument, {
      input: { applicantId: 'a-2', features: { consumerCredit: HIGH_RISK } },
    })
    expect(predictRisk.prediction).toMatchObject({ band: 'T8', highRisk: true })
    const rows = await gateway.database.sql`select prediction_id from alerts`
    expect(rows).toEqual([{ prediction_id: predictRisk.prediction.id }])
  })
})
