import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createDatabase, type TestDatabase } from '../support/database.js'
import { type GatewayProcess, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  AlertCursorDocument,
  HighRiskScoredDocument,
  HistoryDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { type Executed, type StatementProxy, startStatementProxy } from '../support/statementProxy.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'
import { type OldGateway, startOldGateway } from './oldGateway.js'

const { TEST_OLD_RELEASE: release = '', TEST_OLD_VERSION: version = '', TEST_RECORD: isRecording } = process.env

// A low score, its retry, and a high one.
const MOST_TIMES = 3

const READS = [
  '{ predictions(first: 3, filter: { highRisk: true }) { total { count } nodes { id features { name } modelVersion { version } } } }',
  '{ predictions(first: 3, orderBy: PROBABILITY_DESC) { nodes { id outcome { defaulted } } } }',
  '{ applicant(id: "old-low") { latestPrediction { id } predictions(first: 3) { nodes { id } } } }',
  '{ predictionByKey(idempotencyKey: "old-key") { id } }',
  '{ alerts(first: 10) { nodes { id acknowledgedBy prediction { applicantId } } } }',
  '{ riskSummary(from: "2026-01-01T00:00:00Z", to: "2035-01-01T00:00:00Z", interval: MONTH) { buckets { start count observedDefaultRate } } }',
  '{ auditEntries(first: 5) { nodes { id action sealed } } }',
  '{ apiKeys(first: 5) { nodes { id } } }',
]

/** Scores an applicant under one key, whatever the spelling. */
async function scoreJose(gateway: Pick<OldGateway, 'as'>, applicantId: string) {
  const input = { applicantId, idempotencyKey: 'jose', features: { consumerCredit: LOW_RISK } }
  return (await (await gateway.as({ roles: ['SCORER'] })).data(PredictRiskDocument, { input })).predictRisk
}

describe(`release ${version} beside the new version`, () => {
  let database: TestDatabase
  let proxy: StatementProxy
  let old: OldGateway
  let recent: GatewayProcess
  const recorded: Executed[] = []

  beforeAll(async () => {
    database = await createDatabase()
    proxy = await startStatementProxy(database.url)
    old = await startOldGateway(release, proxy.url)
    await score(await old.as({ roles: ['SCORER'] }), 'before', HIGH_RISK)
    await scoreJose(old, 'Jose\u0301')
  })
  afterAll(async () => {
    await recent?.[Symbol.asyncDispose]()
    await old[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('the old one scores, reads and alerts after the new one has migrated', async () => {
    const [scorer, monitor, admin] = [
      await old.as({ roles: ['SCORER'] }),
      await old.as({ roles: ['MONITOR'] }),
      await old.as({ roles: ['ADMIN'] }),
    ]
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    expect(await runCommand(['migrate'], { DATABASE_URL: database.url })).toMatchObject({ status: 0 })
    proxy.take()

    const input = { applicantId: 'old-low', idempotencyKey: 'old-key', features: { consumerCredit: LOW_RISK } }
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input })
    expect(await scorer.data(PredictRiskDocument, { input })).toEqual({ predictRisk: { ...predictRisk, replayed: true } })
    const { id } = await score(scorer, 'old-high', HIGH_RISK)
    expect((await alerts.next()).highRiskScored.id).toBe(id)
    for (const mutation of [
      `acknowledgeAlert(input: { alertId: "${id}" }) { alert { id } }`,
      `recordOutcome(input: { predictionId: "${id}", defaulted: true, observedAt: "${new Date().toISOString()}" }) { prediction { id } }`,
      'createApiKey(input: { principal: "shop", roles: [SCORER] }) { key }',
    ])
      expect((await admin.send({ query: `mutation { ${mutation} }` })).errors).toBeUndefined()
    for (const query of READS) expect({ query, ...(await admin.send({ query })).errors }).toEqual({ query })
    // The audit of these reads has been sealed.
    await until(async () => {
      const [row] = await database.sql`select from audit_seals where number = (select max(number) from audit_seals)`
      return row !== undefined
    })
    recorded.push(...proxy.takeAll())
    expect((await fetch(`${old.url}/readyz`)).status).toBe(200)
  })

  it('both serve: a retry, the history and the alerts of one are those of the other', async () => {
    recent = await spawnGateway({ ...TEST_KEY, DATABASE_URL: database.url })
    const [oldScorer, newScorer] = [await old.as({ roles: ['SCORER'] }), await recent.as({ roles: ['SCORER'] })]
    const monitors = [await old.as({ roles: ['MONITOR'] }), await recent.as({ roles: ['MONITOR'] })]
    const { alertCursor } = await present(monitors[0]).data(AlertCursorDocument, {})
    const streams = monitors.map(monitor => subscribe(monitor, HighRiskScoredDocument, { after: alertCursor }))
    const ids: string[] = []
    for (const [key, first, second] of [
      ['to-old', oldScorer, newScorer],
      ['to-new', newScorer, oldScorer],
    ] as const) {
      const input = { applicantId: 'both', idempotencyKey: key, features: { consumerCredit: HIGH_RISK } }
      const { predictRisk } = await first.data(PredictRiskDocument, { input })
      expect(await second.data(PredictRiskDocument, { input })).toEqual({ predictRisk: { ...predictRisk, replayed: true } })
      ids.push(predictRisk.prediction.id)
    }
    for (const stream of streams) {
      expect([await stream.next(), await stream.next()].map(({ highRiskScored }) => highRiskScored.id)).toEqual(ids)
      await stream[Symbol.asyncDispose]()
    }
    for (const gateway of [old, recent]) {
      const analyst = await gateway.as({ roles: ['ANALYST'] })
      const { predictions } = await analyst.data(HistoryDocument, { filter: { applicantId: 'both' }, orderBy: 'CREATED_AT_ASC' })
      expect(predictions.nodes.map(({ id }) => id)).toEqual(ids)
    }
    expect(await runCommand(['audit', 'verify'], { ...TEST_KEY, DATABASE_URL: database.url })).toMatchObject({ status: 0 })
  })

  it('the new one has one applicant for every spelling that the old one stores, before the migration and after it', async () => {
    const analyst = await recent.as({ roles: ['ANALYST'] })
    const history = async () => (await analyst.data(HistoryDocument, { filter: { applicantId: 'Jos\u00e9' } })).predictions.nodes
    const first = await scoreJose(recent, 'Jos\u00e9')
    expect(first.replayed).toBe(true)
    expect((await history()).map(({ id }) => id)).toEqual([first.prediction.id])
    const later = await score(await old.as({ roles: ['SCORER'] }), ' Jose\u0301 ', HIGH_RISK)
    // The next round would begin in some minutes.
    await database.sql`update text_check set round_to = '01000000-0000-0000-0000-000000000000' where tenant is null`
    await until(async () => (await history()).length === 2)
    expect((await history()).map(({ id }) => id)).toEqual([later.id, first.prediction.id])
  })

  it('the old one misses no table and no column but those that docs/operations/upgrades.md tells', () => {
    const missed = old.log().filter(line => /^42/.test(String(line.code ?? line['error.code'])))
    const subjects = missed.map(line => `${line.msg ?? line.message} ${line.task ?? line['riskgate.task'] ?? ''}`)
    expect(subjects.filter(subject => !/webhook/.test(subject))).toEqual([])
  })

  it.runIf(isRecording)('its statements are noted', () => {
    expect(recorded).not.toEqual([])
    const times = new Map<string, number>()
    const statements = recorded.filter(({ text }) => {
      times.set(text, (times.get(text) ?? 0) + 1)
      // pg-boss is a queue that the new version no longer has. Periodic statements come again and again.
      return text !== '' && !text.includes('pgboss') && (times.get(text) ?? 0) <= MOST_TIMES
    })
    const fixture = { release: version, at: new Date().toISOString(), statements }
    writeFileSync(`test/fixtures/releases/${version}.json`, `${JSON.stringify(fixture, null, 1)}\n`)
  })
})
