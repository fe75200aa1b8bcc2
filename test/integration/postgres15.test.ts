import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  HighRiskScoredDocument,
  HistoryDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { newStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { subscribe } from '../support/subscription.js'

const POSTGRES_15 = '/usr/lib/postgresql/15/bin'

vi.setConfig({ testTimeout: 60_000 })

describe.skipIf(!existsSync(POSTGRES_15))('PostgreSQL 15', () => {
  let state: StateDirectory
  let server: EmbeddedPostgres
  let database: TestDatabase
  let gateway: TestGateway
  beforeAll(async () => {
    state = newStateDirectory()
    server = await startEmbeddedPostgres({ stateDirectory: state.path, binDirectory: POSTGRES_15, log: () => {} })
    database = await createDatabase({ server: server.url })
    gateway = await startGateway({}, database)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
    await server.stop()
    await state[Symbol.asyncDispose]()
  })

  it('runs from another folder, with data checksums', async () => {
    const [row] = await database.sql<{ version: string; sums: string }[]>`
      select current_setting('server_version_num') as version, current_setting('data_checksums') as sums`
    expect(row).toMatchObject({ version: expect.stringMatching(/^15/), sums: 'on' })
  })

  it('is migrated and ready', async () => {
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
    const partitions = await database.sql`select from pg_inherits where inhparent = 'predictions'::regclass`
    expect(partitions).toHaveLength(4)
  })

  it('stores one prediction for a repeated idempotency key', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const input = { applicantId: 'fifteen', idempotencyKey: 'once', features: { consumerCredit: LOW_RISK } }
    const answers = await Promise.all(Array.from({ length: 10 }, () => scorer.data(PredictRiskDocument, { input })))
    expect(new Set(answers.map(({ predictRisk }) => predictRisk.prediction.id)).size).toBe(1)
    expect(answers.filter(({ predictRisk }) => !predictRisk.replayed)).toHaveLength(1)
    const other = { ...input, features: { consumerCredit: HIGH_RISK } }
    const { errors } = await scorer.request(PredictRiskDocument, { input: other })
    expect(errors?.[0]?.extensions.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('pages through the history in order', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const items = Array.from({ length: 25 }, (_, i) => ({ applicantId: `page-${i}`, features: { consumerCredit: LOW_RISK } }))
    const { predictRiskBatch } = await scorer.data(PredictRiskBatchDocument, { items })
    expect(predictRiskBatch.results.every(({ prediction }) => prediction)).toBe(true)
    const analyst = await gateway.as({ roles: ['ANALYST'] })
    const ids: string[] = []
    const readPage = async (after?: string): Promise<void> => {
      const { predictions } = await analyst.data(HistoryDocument, { first: 10, after, orderBy: 'CREATED_AT_ASC' })
      ids.push(...predictions.nodes.map(({ id }) => id))
      if (predictions.pageInfo.hasNextPage) await readPage(present(predictions.pageInfo.endCursor))
    }
    await readPage()
    expect(ids).toEqual([...new Set(ids)].sort())
    expect(ids).toHaveLength(26)
  })

  it('resumes the alert feed after a cursor', async () => {
    const [scorer, monitor] = [await gateway.as({ roles: ['SCORER'] }), await gateway.as({ roles: ['MONITOR'] })]
    const score = async (applicantId: string) => {
      const input = { applicantId, features: { consumerCredit: HIGH_RISK } }
      return (await scorer.data(PredictRiskDocument, { input })).predictRisk.prediction.id
    }
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    const first = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    const seen = await score('a')
    const { highRiskScored } = await first.next()
    expect(highRiskScored.id).toBe(seen)
    await first[Symbol.asyncDispose]()
    const missed = [await score('b'), await score('c')]
    await using resumed = subscribe(monitor, HighRiskScoredDocument, { after: highRiskScored.cursor })
    const rest = [await resumed.next(), await resumed.next()]
    expect(rest.map(event => event.highRiskScored.id)).toEqual(missed)
  })
})
