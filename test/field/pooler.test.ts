import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createDatabase, createTestDatabase, migrateUpTo, type TestDatabase } from '../support/database.js'
import { type GatewayProcess, launchGateway, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { PGBOUNCER, PgBouncer } from '../support/pgBouncer.js'
import { present, until } from '../support/process.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

// The short form is test/integration/pooler.test.ts.
const MIGRATION_LOCK = 7_475_002_417
const GATEWAYS = 3
// A session of a pooler in session mode belongs to one connection of a gateway.
const SESSIONS = { session: 60, transaction: 4 } as const
const IGNORED = 'statement_timeout,tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,DateStyle,TimeZone'

const advisoryLocks = ({ sql }: TestDatabase) =>
  sql`select pid from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`

/** Sessions that wait for a lock. */
const waiting = ({ sql }: TestDatabase) =>
  sql`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`

const isReady = async ({ url }: GatewayProcess) => (await fetch(`${url}/readyz`)).status === 200

describe.skipIf(!PGBOUNCER).each([
  { mode: 'session', settings: {}, with: 'its default settings' },
  { mode: 'session', settings: { ignore_startup_parameters: IGNORED }, with: 'parameters that it ignores' },
  { mode: 'transaction', settings: {}, with: 'its default settings' },
  { mode: 'transaction', settings: { ignore_startup_parameters: IGNORED }, with: 'parameters that it ignores' },
] as const)('behind PgBouncer in $mode mode, with $with', ({ mode, settings }) => {
  it('gateways that start at once migrate once, score, warn, end what waits too long, and leave no lock', async () => {
    await using database = await createDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode, poolSize: SESSIONS[mode], settings })
    const gateways = await Promise.all(
      Array.from({ length: GATEWAYS }, () => spawnGateway({ ...TEST_KEY, DATABASE_URL: bouncer.url })),
    )
    try {
      const [first, second] = [present(gateways[0]), present(gateways[1])]
      const [migrations] = await database.sql<{ all: number; different: number }[]>`
        select count(*)::int as all, count(distinct created_at)::int as different from drizzle.__drizzle_migrations`
      expect(migrations?.all).toBe(migrations?.different)
      expect(await database.sql`select ordinal from feed_epochs`).toHaveLength(1)
      expect(await advisoryLocks(database)).toEqual([])
      expect(await Promise.all(gateways.map(isReady))).toEqual(gateways.map(() => true))

      const [scorer, other] = [await first.as({ roles: ['SCORER'] }), await second.as({ roles: ['SCORER'] })]
      const input = { applicantId: 'once', idempotencyKey: 'once', features: { consumerCredit: LOW_RISK } }
      const { predictRisk } = await scorer.data(PredictRiskDocument, { input })
      expect(await other.data(PredictRiskDocument, { input })).toEqual({ predictRisk: { ...predictRisk, replayed: true } })

      const monitor = await second.as({ roles: ['MONITOR'] })
      const { alertCursor } = await monitor.data(AlertCursorDocument, {})
      const alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
      const { id } = await score(scorer, 'high', HIGH_RISK)
      expect((await alerts.next()).highRiskScored.id).toBe(id)
      await alerts[Symbol.asyncDispose]()

      const holder = await database.sql.reserve()
      await holder`begin`
      await holder`lock table predictions`
      const late = { applicantId: 'late', idempotencyKey: 'late', features: { consumerCredit: HIGH_RISK } }
      const { errors } = await scorer.request(PredictRiskDocument, { input: late })
      expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['SERVICE_UNAVAILABLE'])
      expect(await isReady(first)).toBe(false)
      await holder`commit`
      holder.release()
      await until(async () => (await waiting(database)).length === 0)
      await until(() => isReady(first))
      expect(await database.sql`select from predictions where applicant_id = 'late'`).toHaveLength(0)
      expect((await scorer.data(PredictRiskDocument, { input: late })).predictRisk.replayed).toBe(false)

      for (const gateway of gateways) expect(await gateway.stop()).toMatchObject({ status: 0 })
      expect(await advisoryLocks(database)).toEqual([])
      await using _later = await spawnGateway({ ...TEST_KEY, DATABASE_URL: bouncer.url })
    } finally {
      for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
    }
  })

  it('a gateway that is killed while it migrates frees the next one', async () => {
    await using database = await createDatabase()
    await migrateUpTo(database, 0)
    await using bouncer = await PgBouncer.start(database.url, { mode, poolSize: SESSIONS[mode], settings })
    const holder = await database.sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    const killed = launchGateway({ ...TEST_KEY, DATABASE_URL: bouncer.url })
    await killed.logged('a migration waits for the locks of other sessions; trying again')
    killed.stop('SIGKILL')
    await killed.exited
    await holder`commit`
    holder.release()
    await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: bouncer.url })
    expect(await isReady(gateway)).toBe(true)
    await until(async () => (await advisoryLocks(database)).length === 0)
  })
})

describe.skipIf(!PGBOUNCER)('PgBouncer', () => {
  it('that keeps the session lock of an older release, for nobody, does not stop a start', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: 4 })
    const older = postgres(bouncer.url, { max: 1, fetch_types: false, prepare: false })
    await older`select pg_advisory_lock(${MIGRATION_LOCK})`
    await older.end()
    expect(await advisoryLocks(database)).toHaveLength(1)
    // The pooler serves others on that session, which must not free it by chance.
    await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: database.url })
    expect(await isReady(gateway)).toBe(true)
    expect(await advisoryLocks(database)).toHaveLength(1)
  })

  it('that refuses a parameter of the URL ends the start with its name, at once', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: 4 })
    const url = `${bouncer.url}?options=-c%20search_path%3Dhunter2`
    const { status, stderr } = await runCommand(['serve'], { ...TEST_KEY, DATABASE_URL: url, RISKGATE_PORT: '0' })
    expect(status).toBe(78)
    expect(stderr).toMatch(
      /^riskgate: DATABASE_URL: the pooler at 127\.0\.0\.1:\d+ refuses the parameter options of the URL \(08P01\)/,
    )
    expect(stderr).not.toContain('hunter2')
  })

  it('in statement mode ends the start with a sentence', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, {
      mode: 'transaction',
      poolSize: 4,
      settings: { pool_mode: 'statement' },
    })
    const { status, stderr } = await runCommand(['serve'], { ...TEST_KEY, DATABASE_URL: bouncer.url, RISKGATE_PORT: '0' })
    expect({ status, stderr }).toMatchObject({ status: 78, stderr: expect.stringContaining('pool_mode') })
  })
})
