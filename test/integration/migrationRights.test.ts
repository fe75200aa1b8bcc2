import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { startOfMonth } from '../../src/storage/postgres/partitions.js'
import { HIGH_RISK } from '../support/applicants.js'
import { createDatabase, type TestDatabase } from '../support/database.js'
import { type Exit, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument, PredictionByIdDocument } from '../support/generated/operations.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

const PASSWORD = 'a-password'

/** The statements of docs/operations/database.md, for a role of the test. */
function documentedGrants(role: string): string {
  const page = readFileSync('docs/operations/database.md', 'utf8')
  const [, grants = ''] = /```sql\n(grant usage on schema[\s\S]*?)```/.exec(page) ?? []
  return grants.replaceAll('riskgate_service', role)
}

describe('a gateway whose role may not migrate', () => {
  let database: TestDatabase
  let role: string
  let environment: Record<string, string>
  beforeEach(async () => {
    database = await createDatabase()
    role = `service_${database.name}`
    await database.sql.unsafe(`create role ${role} login password '${PASSWORD}'`)
    const url = new URL(database.url)
    ;[url.username, url.password] = [role, PASSWORD]
    environment = { ...TEST_KEY, DATABASE_URL: url.href, RISKGATE_PORT: '0', RISKGATE_MIGRATE_AT_START: 'false' }
  })
  afterEach(async () => {
    await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
    await database[Symbol.asyncDispose]()
  })
  const start = () => spawnGateway(environment)
  const ended = (settings: Record<string, string> = {}): Promise<Exit> => runCommand(['serve'], { ...environment, ...settings })

  it('serves with the documented rights, also where partitions of coming months are missing', async () => {
    await migrateDatabase(database.url)
    await database.sql.unsafe(documentedGrants(role))
    const later = [1, 2].map(offset => startOfMonth(new Date(), offset).toISOString().slice(0, 7).replace('-', '_'))
    await database.sql.unsafe(`drop table ${later.map(month => `predictions_${month}`).join()}`)
    await using gateway = await start()
    const [scorer, monitor, analyst] = await Promise.all(
      (['SCORER', 'MONITOR', 'ANALYST'] as const).map(name => gateway.as({ roles: [name] })),
    )
    if (!(scorer && monitor && analyst)) throw new Error('no clients')
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    const { id } = await score(scorer, 'served', HIGH_RISK)
    expect((await alerts.next()).highRiskScored.id).toBe(id)
    expect((await analyst.data(PredictionByIdDocument, { id })).prediction?.id).toBe(id)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
    expect(gateway.log().map(({ message }) => message)).toContain(
      'partitions of the coming months are missing, and this user may not create them: run riskgate upkeep',
    )
    // Nothing else lacks a right.
    expect(gateway.log().filter(line => line['error.code'] === '42501')).toEqual([])
  })

  it('ends with status 78 and names `riskgate migrate` where a migration is missing', async () => {
    await migrateDatabase(database.url)
    await database.sql.unsafe(documentedGrants(role))
    await database.sql`delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)`
    const { status, stderr } = await ended()
    expect({ status, stderr }).toEqual({
      status: 78,
      stderr: 'riskgate: DATABASE_URL: its database lacks migrations of this release. Run `riskgate migrate` first.\n',
    })
  })

  it('migrates nothing with RISKGATE_MIGRATE_AT_START=false, even as the owner', async () => {
    const { status, stderr } = await ended({ DATABASE_URL: database.url })
    expect({ status, stderr }).toEqual({ status: 78, stderr: expect.stringContaining('Run `riskgate migrate` first.') })
    expect(await database.sql`select to_regclass('predictions') as found`).toEqual([{ found: null }])
  })

  it('ends with status 78 and names `riskgate migrate` where it tries to, or has no rights at all', async () => {
    const expected = {
      status: 78,
      stderr: expect.stringMatching(/its user lacks a right there \(42501\)\. Run `riskgate migrate`/),
    }
    expect(await ended({ RISKGATE_MIGRATE_AT_START: 'true' })).toMatchObject(expected)
    await migrateDatabase(database.url)
    expect(await ended()).toMatchObject(expected)
  })
})

describe('riskgate migrate', () => {
  it('needs DATABASE_URL and no other setting', async () => {
    await using database = await createDatabase()
    const settings = { NODE_ENV: 'production', RISKGATE_PORT: 'wrong', RISKGATE_HOST: '0.0.0.0' }
    expect(await runCommand(['migrate'], { DATABASE_URL: database.url, ...settings })).toMatchObject({ status: 0, stderr: '' })
    expect(await runCommand(['migrate'], settings)).toMatchObject({ status: 78, stderr: 'riskgate: DATABASE_URL must be set.\n' })
    expect(await runCommand(['migrate'], { DATABASE_URL: 'mysql://db/x' })).toMatchObject({
      status: 78,
      stderr: expect.stringContaining('DATABASE_URL must be a URL that begins with postgres:// or postgresql://'),
    })
  })
})
