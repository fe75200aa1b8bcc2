import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { type GatewayProcess, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  AlertCursorDocument,
  HighRiskScoredDocument,
  HistoryDocument,
  PredictRiskDocument,
} from '../support/generated/operations.js'
import type { paths } from '../support/generated/rest.js'
import { PGBOUNCER, PgBouncer } from '../support/pgBouncer.js'
import { present, until } from '../support/process.js'
import { restClient } from '../support/restClient.js'
import { score } from '../support/stored.js'
import { newPrediction, storesOf } from '../support/stores.js'
import { subscribe } from '../support/subscription.js'

type RestFeatures = paths['/api/predict']['post']['requestBody']['content']['application/json']['features']

// Fewer than one gateway has connections of its own.
const FEW = 4
// Each connection of a gateway keeps one, and a command needs more.
const ONE_EACH = 20

/** Sessions of the database that hold an advisory lock. */
const advisoryLocks = ({ sql }: TestDatabase) =>
  sql`select pid from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`

describe.skipIf(!PGBOUNCER)('two gateways behind PgBouncer in transaction mode', () => {
  let database: TestDatabase
  let bouncer: PgBouncer
  let gateways: GatewayProcess[]
  let environment: Record<string, string>
  beforeAll(async () => {
    database = await createDatabase()
    bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: FEW })
    environment = { ...TEST_KEY, DATABASE_URL: bouncer.url }
    const migrations = await Promise.all([1, 2].map(() => runCommand(['migrate'], { DATABASE_URL: bouncer.url })))
    expect(migrations.map(({ status }) => status)).toEqual([0, 0])
    gateways = await Promise.all([1, 2].map(() => spawnGateway(environment)))
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
    await bouncer[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  const as = (role: 'SCORER' | 'MONITOR' | 'ANALYST', gateway: 0 | 1) => present(gateways[gateway]).as({ roles: [role] })

  it('score over GraphQL and REST, and answer a retry at the other gateway with the first prediction', async () => {
    const input = { applicantId: 'once', idempotencyKey: 'once', features: { consumerCredit: LOW_RISK } }
    const [first, second] = [await as('SCORER', 0), await as('SCORER', 1)]
    const { predictRisk } = await first.data(PredictRiskDocument, { input })
    expect(await second.data(PredictRiskDocument, { input })).toEqual({ predictRisk: { ...predictRisk, replayed: true } })
    const rest = await Promise.all(gateways.map(gateway => restClient(gateway, { roles: ['SCORER'] })))
    const body = { applicantId: 'rest', model: 'consumer-credit' as const, features: LOW_RISK as unknown as RestFeatures }
    const answers = []
    for (const client of rest) {
      const { data } = await client.POST('/api/predict', { body, params: { header: { 'Idempotency-Key': 'rest' } } })
      answers.push(data)
    }
    expect(answers).toEqual([expect.objectContaining({ replayed: false }), { ...answers[0], replayed: true }])
  })

  it('page through the history with a cursor', async () => {
    const [scorer, analyst] = [await as('SCORER', 0), await as('ANALYST', 1)]
    const ids = await Promise.all(Array.from({ length: 25 }, async () => (await score(scorer, 'paged', LOW_RISK)).id))
    const read = async (after?: string | null): Promise<string[]> => {
      const { predictions } = await analyst.data(HistoryDocument, { first: 10, after, filter: { applicantId: 'paged' } })
      const found = predictions.nodes.map(({ id }) => id)
      return predictions.pageInfo.hasNextPage ? [...found, ...(await read(predictions.pageInfo.endCursor))] : found
    }
    expect((await read()).sort()).toEqual(ids.sort())
  })

  it('raise each alert to subscribers of both', async () => {
    const scorer = await as('SCORER', 0)
    const monitors = [await as('MONITOR', 0), await as('MONITOR', 1)]
    const { alertCursor } = await present(monitors[0]).data(AlertCursorDocument, {})
    const streams = monitors.map(monitor => subscribe(monitor, HighRiskScoredDocument, { after: alertCursor }))
    const ids = [(await score(scorer, 'a', HIGH_RISK)).id, (await score(scorer, 'b', HIGH_RISK)).id]
    for (const stream of streams) {
      const events = [await stream.next(), await stream.next()]
      expect(events.map(({ highRiskScored }) => highRiskScored.id)).toEqual(ids)
      await stream[Symbol.asyncDispose]()
    }
  })

  it('leave a database that commands export, verify and check', async () => {
    const rows = present((await database.sql<{ count: number }[]>`select count(*)::int from predictions`)[0]).count
    const exported = await runCommand(['export', '--quiet', '--from', '2020-01-01', '--to', '2100-01-01'], environment)
    expect({ ...exported, stdout: exported.stdout.trim().split('\n').length }).toMatchObject({ status: 0, stdout: rows + 1 })
    expect(await runCommand(['audit', 'verify'], environment)).toMatchObject({ status: 0 })
    const { status, stdout } = await runCommand(['doctor'], environment)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^ok +pooler +in between: /m)
  })

  it('name the pooler at start, log no error, and leave no lock behind', async () => {
    const lines = gateways.flatMap(gateway => gateway.log())
    expect(lines.filter(({ message }) => String(message).startsWith('a pooler is in front of Postgres'))).toHaveLength(2)
    expect(lines.filter(line => line['log.level'] === 'error')).toEqual([])
    expect(await advisoryLocks(database)).toEqual([])
  })

  it('are ready again after it was killed, without a lost or a double score', async () => {
    const scorers = [await as('SCORER', 0), await as('SCORER', 1)]
    const acknowledged = new Map<string, string>()
    const codes = new Set<unknown>()
    let [isOver, refused] = [false, 0]
    const load = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; !isOver; i++) {
        const key = `load-${client}-${i}`
        const input = { applicantId: key, idempotencyKey: key, features: { consumerCredit: HIGH_RISK } }
        while (!acknowledged.has(key)) {
          const { data, errors } = await present(scorers[(client + i) % 2]).request(PredictRiskDocument, { input })
          if (data) acknowledged.set(key, data.predictRisk.prediction.id)
          for (const { extensions } of errors ?? []) codes.add(extensions.code)
          if (errors) refused++
        }
      }
    })
    for (let kills = 0; kills < 2; kills++) {
      const before = acknowledged.size
      await until(() => acknowledged.size >= before + 30, 60_000)
      const beforeKill = refused
      await bouncer.kill()
      await until(() => refused > beforeKill, 60_000)
      await bouncer.startAgain()
    }
    const before = acknowledged.size
    await until(() => acknowledged.size >= before + 30, 60_000)
    isOver = true
    await Promise.all(load)
    expect([...codes].filter(code => code !== 'SERVICE_UNAVAILABLE' && code !== 'OUTCOME_UNKNOWN')).toEqual([])
    const stored = await database.sql<{ key: string; id: string }[]>`
      select applicant_id as key, id from predictions where applicant_id like 'load-%'`
    expect(Object.fromEntries(stored.map(({ key, id }) => [key, id]))).toEqual(Object.fromEntries(acknowledged))
    expect(stored).toHaveLength(acknowledged.size)
    for (const { url } of gateways) await until(async () => (await fetch(`${url}/readyz`)).status === 200)
  }, 120_000)
})

describe.skipIf(!PGBOUNCER)('a gateway behind PgBouncer in session mode', () => {
  it('migrates, scores, and answers a retry with the first prediction', async () => {
    await using database = await createDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'session', poolSize: ONE_EACH })
    await using gateway = await startGateway({ DATABASE_URL: bouncer.url }, database)
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const input = { applicantId: 'once', idempotencyKey: 'once', features: { consumerCredit: LOW_RISK } }
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input })
    expect(await scorer.data(PredictRiskDocument, { input })).toEqual({ predictRisk: { ...predictRisk, replayed: true } })
    expect(await advisoryLocks(database)).toEqual([])
  })
})

describe.skipIf(!PGBOUNCER).each([
  { title: 'which refuses other parameters of a connection', settings: {} },
  { title: 'which drops the time limit', settings: { ignore_startup_parameters: 'statement_timeout' } },
])('the stores behind PgBouncer, $title', ({ settings }) => {
  it('end a statement that waits too long, and store nothing of it', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: FEW, settings })
    await using stores = storesOf(bouncer.url, undefined, { isPooled: true })
    const holder = await database.sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    await expect(stores.predictions.record(newPrediction())).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await waiting(database)).toEqual([])
    await holder`commit`
    holder.release()
    expect(await database.sql`select from predictions`).toHaveLength(0)
    expect(await stores.predictions.record(newPrediction())).toMatchObject({ replayed: false })
  })
})

describe.skipIf(!PGBOUNCER)('the stores behind PgBouncer', () => {
  it('refuse a call that gets no session, and store nothing of it later', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: 1 })
    await using stores = storesOf(bouncer.url, undefined, { isPooled: true })
    await stores.predictions.record(newPrediction())
    const other = postgres(bouncer.url, { max: 1, fetch_types: false, prepare: false })
    await other.unsafe('begin')
    await expect(stores.predictions.record(newPrediction())).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    await other.unsafe('rollback')
    await other.end()
    expect(await stores.predictions.record(newPrediction())).toMatchObject({ replayed: false })
    expect(await database.sql`select from predictions`).toHaveLength(2)
  })

  it('answer that a write failed or may have failed when its session ends, and go on', async () => {
    await using database = await createTestDatabase()
    await using bouncer = await PgBouncer.start(database.url, { mode: 'transaction', poolSize: FEW })
    await using stores = storesOf(bouncer.url, undefined, { isPooled: true })
    const holder = await database.sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    // PgBouncer passes the server's last words on, or only closes.
    const code = expect.stringMatching(/^(SERVICE_UNAVAILABLE|OUTCOME_UNKNOWN)$/)
    const refused = expect(stores.predictions.record(newPrediction())).rejects.toMatchObject({ code })
    await until(async () => (await waiting(database)).length > 0)
    await database.sql`select pg_terminate_backend(${(await waiting(database))[0]?.pid ?? 0})`
    await refused
    await holder`commit`
    holder.release()
    expect(await stores.predictions.record(newPrediction())).toMatchObject({ replayed: false })
    expect(await database.sql`select from predictions`).toHaveLength(1)
  })
})

/** Sessions that wait for a lock. */
function waiting({ sql }: TestDatabase) {
  return sql<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
}
