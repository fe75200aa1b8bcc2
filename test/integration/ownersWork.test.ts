import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { startOfMonth } from '../../src/storage/postgres/partitions.js'
import { application, HIGH_RISK } from '../support/applicants.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { PredictRiskDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { until } from '../support/process.js'
import { score } from '../support/stored.js'
import { idAt, newPrediction, openStores } from '../support/stores.js'
import { startTcpProxy } from '../support/tcpProxy.js'

const DAY_MS = 86_400_000
const PASSWORD = 'a-password'

const nameOf = (offset: number) => `predictions_${startOfMonth(new Date(), offset).toISOString().slice(0, 7).replace('-', '_')}`

function gate() {
  let open = () => {}
  const opened = new Promise<void>(resolve => (open = resolve))
  return { open, opened }
}

async function readiness({ url }: TestGateway) {
  const answer = await fetch(`${url}/readyz`)
  const { reasons, warnings } = (await answer.json()) as { reasons: string[]; warnings?: string[] }
  return { status: answer.status, reasons, warnings }
}

describe('a gateway whose role does not own the tables, with default settings', () => {
  let database: TestDatabase
  let role: string
  let asService: { DATABASE_URL: string }
  beforeEach(async () => {
    database = await createTestDatabase()
    await migrateDatabase(database.url)
    role = `service_${database.name}`
    // Without the right to create anything, anywhere.
    await database.sql.unsafe(`
      create role ${role} login password '${PASSWORD}';
      revoke create on schema public from public;
      grant usage on schema public, drizzle to ${role};
      grant select, insert, update, delete on all tables in schema public to ${role};
      grant select on all tables in schema drizzle to ${role}`)
    const url = new URL(database.url)
    ;[url.username, url.password] = [role, PASSWORD]
    asService = { DATABASE_URL: url.href }
  })
  afterEach(async () => {
    await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
    await database[Symbol.asyncDispose]()
  })
  const drop = (...offsets: number[]) => database.sql.unsafe(`drop table ${offsets.map(nameOf).join()}`)
  const upkeep = (settings: Record<string, string> = {}) => runCommand(['upkeep'], { DATABASE_URL: database.url, ...settings })

  it('serves, warns weeks before the partitions end, and no longer after the owner ran `riskgate upkeep`', async () => {
    await drop(1, 2)
    const end = startOfMonth(new Date(), 1)
    const says = `Partitions of predictions end at ${end.toISOString()}: run riskgate upkeep as the owner of the tables`
    {
      await using gateway = await startGateway(asService, database)
      await score(await gateway.as({ roles: ['SCORER'] }), 'served', HIGH_RISK)
      expect(await readiness(gateway)).toMatchObject({ status: 200, reasons: [], warnings: [says] })
      expect(await metric(gateway, 'riskgate_partitions_end_timestamp_seconds')).toBe(end.getTime() / 1_000)
      expect((await runCommand(['doctor'], { ...TEST_KEY, ...asService })).stdout).toMatch(
        /^WARNING +partitions +those of predictions reach until .*run riskgate upkeep as the owner/m,
      )
    }
    expect(await runCommand(['upkeep'], asService)).toMatchObject({
      status: 78,
      stderr: expect.stringMatching(
        /its user lacks a right there \(42501\)\. .*PostgreSQL says: (permission denied|must be owner)/,
      ),
    })
    const later = startOfMonth(new Date(), 3).toISOString()
    expect(await upkeep()).toMatchObject({ status: 0, stderr: `riskgate: partitions of predictions reach until ${later}\n` })
    await using gateway = await startGateway(asService, database)
    expect(await readiness(gateway)).toEqual({ status: 200, reasons: [], warnings: undefined })
    expect(await runCommand(['doctor'], { ...TEST_KEY, ...asService })).toMatchObject({
      status: 0,
      stdout: expect.not.stringMatching(/^WARN/m),
    })
  })

  it('is not ready once the last partition is gone', async () => {
    await using gateway = await startGateway(asService, database)
    expect((await readiness(gateway)).status).toBe(200)
    await drop(0)
    await until(async () => (await readiness(gateway)).status === 503)
    expect((await readiness(gateway)).reasons).toEqual([
      'Postgres would not store a high-risk score: predictions has no partition for now, and this user may not create it: run riskgate upkeep as its owner',
    ])
  })

  it('is not ready while the partition of this month is detached, and `riskgate upkeep` fails; both name it', async () => {
    await using gateway = await startGateway(asService, database)
    expect((await readiness(gateway)).status).toBe(200)
    await database.sql.unsafe(`alter table predictions detach partition ${nameOf(0)}`)
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const { status, errors } = await scorer.request(PredictRiskDocument, { input: application('detached') })
    expect({ status, code: errors?.[0]?.extensions.code }).toEqual({ status: 503, code: 'SERVICE_UNAVAILABLE' })
    await until(async () => (await readiness(gateway)).status === 503)
    const says = `${nameOf(0)} exists, but is not attached to predictions: attach it, or give it another name`
    expect((await readiness(gateway)).reasons).toEqual([`Postgres would not store a high-risk score: ${says}`])
    expect(await upkeep()).toMatchObject({ status: 1, stderr: expect.stringContaining(says) })
    await using owners = await startGateway({}, database)
    expect(await readiness(owners)).toMatchObject({ status: 503, warnings: [says] })
  })

  it('is not ready while it lacks a right that a score needs', async () => {
    await using gateway = await startGateway(asService, database)
    expect((await readiness(gateway)).status).toBe(200)
    await database.sql.unsafe(`revoke insert on alerts from ${role}`)
    await until(async () => (await readiness(gateway)).status === 503)
    expect((await readiness(gateway)).reasons).toEqual([
      'Postgres would not store a high-risk score: its user lacks a right; riskgate doctor names it (42501)',
    ])
  })

  it('`riskgate upkeep` waits for another session that holds a lock, and names it', async () => {
    await drop(2)
    const holder = postgres(database.url, { max: 1, connection: { application_name: 'the-vacuum' } })
    const end = gate()
    const held = gate()
    const holding = holder.begin(async sql => {
      await sql`lock table predictions in share update exclusive mode`
      held.open()
      await end.opened
    })
    await held.opened
    const running = upkeep()
    const waits = async () =>
      (await database.sql`select from pg_locks where relation = 'predictions'::regclass and not granted`).length
    for (let seen = 0; seen < 2; seen++) {
      await until(async () => (await waits()) > 0)
      await until(async () => (await waits()) === 0)
    }
    end.open()
    await holding
    expect(await running).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/waiting for the locks of other sessions: .*"application":"the-vacuum"/),
    })
    await holder.end()
  })

  it('`riskgate upkeep` outlives a connection that breaks while the driver asks for its types', async () => {
    let cut = 0
    await using proxy = await startTcpProxy(database.url, {
      connected: client =>
        client.on('data', bytes => {
          if (cut < 3 && bytes.includes('typarray')) {
            cut++
            client.resetAndDestroy()
          }
        }),
    })
    expect(await upkeep({ DATABASE_URL: proxy.url })).toMatchObject({ status: 0 })
    expect(cut).toBe(3)
  })

  it('`riskgate upkeep` as the owner drops months past their retention, with the settings of retention', async () => {
    await using stores = await openStores(database.url)
    const createdAt = new Date(Date.now() - 200 * DAY_MS)
    await stores.predictions.record(newPrediction({ id: idAt(createdAt), createdAt, highRisk: false }))
    const { status, stderr } = await upkeep({ RISKGATE_PREDICTION_RETENTION_DAYS: '100' })
    expect(status).toBe(0)
    expect(stderr).toMatch(/^riskgate: removed predictions_\d{4}_\d{2}, which was past its retention$/m)
    expect(await database.sql`select from predictions`).toHaveLength(0)
    expect(await upkeep({ RISKGATE_PREDICTION_RETENTION_DAYS: '7' })).toMatchObject({
      status: 78,
      stderr: 'riskgate: RISKGATE_PREDICTION_RETENTION_DAYS must not be less than RISKGATE_ALERT_RETENTION_DAYS.\n',
    })
  })
})
