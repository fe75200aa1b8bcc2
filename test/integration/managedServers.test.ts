import { describe, expect, it } from 'vitest'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { HIGH_RISK } from '../support/applicants.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, AlertsDocument, HighRiskScoredDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'
import {
  BLOCKERS,
  CONTROL,
  MESSAGE,
  preferOwnFunctions,
  RECOVERY,
  refuseFunctions,
  SERVER_START,
  WAL_FILE,
  WAL_POSITION,
} from '../support/refusedFunctions.js'
import { score } from '../support/stored.js'
import { openStores } from '../support/stores.js'
import { subscribe } from '../support/subscription.js'

const REFUSED = 'Postgres would not store a high-risk score: the server refuses a function (55000)'

async function readiness({ url }: TestGateway): Promise<{ status: number; reasons: string[] }> {
  const answer = await fetch(`${url}/readyz`)
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons }
}

/** Scores a high risk, and answers whether it came over the feed and in the page of alerts. */
async function raisesAlerts(gateway: TestGateway): Promise<void> {
  const [scorer, monitor] = [await gateway.as({ roles: ['SCORER'] }), await gateway.as({ roles: ['MONITOR'] })]
  const { alertCursor } = await monitor.data(AlertCursorDocument, {})
  await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
  const { id } = await score(scorer, 'managed', HIGH_RISK)
  expect((await alerts.next()).highRiskScored.id).toBe(id)
  const page = await monitor.data(AlertsDocument, { first: 10, after: alertCursor })
  expect(page.alerts.nodes.map(node => node.id)).toEqual([id])
  expect(await readiness(gateway)).toEqual({ status: 200, reasons: [] })
}

const epochs = ({ sql }: TestDatabase) =>
  sql<{ ordinal: number; cluster: string }[]>`select ordinal, cluster from feed_epochs order by 1`

describe('a server that refuses functions of its log', () => {
  it.each([
    ['positions in the log', [WAL_POSITION]],
    ['files of the log', [WAL_FILE]],
    ['its number', [CONTROL]],
    ['all that riskgate can do without', [WAL_POSITION, WAL_FILE, CONTROL, MESSAGE, RECOVERY, BLOCKERS]],
  ])('is migrated and scores: %s', async (_what, refusals) => {
    await using database = await createDatabase()
    await refuseFunctions(database, ...refusals)
    await using gateway = await startGateway({}, database)
    await raisesAlerts(gateway)
    expect(await epochs(database)).toEqual([{ ordinal: 1, cluster: expect.stringMatching(/^unnamed\/\d+\/\d+\.\d+$/) }])
  })

  it('goes on with the epoch that it told before, also where the refusal comes while a gateway runs', async () => {
    await using database = await createTestDatabase()
    await preferOwnFunctions(database, { ...WAL_POSITION, call: 'pg_current_wal_lsn()' })
    await using running = await startGateway({}, database)
    await raisesAlerts(running)
    const before = await epochs(database)
    await refuseFunctions(database, WAL_POSITION, CONTROL)
    await raisesAlerts(running)
    await using later = await startGateway({}, database)
    await raisesAlerts(later)
    expect(await epochs(database)).toEqual(before)
    expect(before).toEqual([{ ordinal: 1, cluster: expect.stringMatching(/^\d+\/[0-9A-F]{8}\/\d+\/\d+\.\d+$/) }])
  })

  it('opens a new epoch after a failover', async () => {
    await using database = await createDatabase()
    await refuseFunctions(database, WAL_POSITION)
    await using stores = await openStores(database.url)
    const cursor = await stores.alerts.now()
    await database.sql`update feed_epochs set cluster = 'unnamed/1/1764500000.000001'`
    await migrateDatabase(database.url)
    expect((await epochs(database)).map(({ ordinal }) => ordinal)).toEqual([1, 2])
    await expect(stores.alerts.check(cursor)).resolves.toBeUndefined()
  })
})

describe('a function that scores need and the server refuses', () => {
  it.each(['serve', 'migrate'])('ends `riskgate %s` with status 78, and is named', async command => {
    await using database = await createDatabase()
    await refuseFunctions(database, SERVER_START)
    expect(await runCommand([command], { DATABASE_URL: database.url, ...TEST_KEY, RISKGATE_PORT: '0' })).toMatchObject({
      status: 78,
      stderr: expect.stringMatching(
        /^riskgate: DATABASE_URL: its PostgreSQL refuses pg_postmaster_start_time\(\) \(55000\), which/,
      ),
    })
  })

  it('makes a gateway that runs not ready', async () => {
    await using database = await createTestDatabase()
    await preferOwnFunctions(database, SERVER_START)
    await using gateway = await startGateway({}, database)
    await raisesAlerts(gateway)
    await refuseFunctions(database, SERVER_START)
    await until(async () => (await readiness(gateway)).status === 503, 5_000)
    expect(await readiness(gateway)).toEqual({ status: 503, reasons: [REFUSED] })
    const scorer = await gateway.as({ roles: ['SCORER'] })
    await expect(score(scorer, 'refused', HIGH_RISK)).rejects.toThrow('SERVICE_UNAVAILABLE')
  })
})
