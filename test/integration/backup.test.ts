import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createDatabase, type TestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertsDocument, HistoryDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { newStateDirectory, type StateDirectory } from '../support/stateDirectory.js'

// pg_dump must not be older than the server. The embedded PostgreSQL comes without it.
const POSTGRES_15 = '/usr/lib/postgresql/15/bin'

vi.setConfig({ testTimeout: 60_000 })

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

describe.skipIf(!existsSync(`${POSTGRES_15}/pg_dump`))('deploy/backup', () => {
  const folder = testFolder('backup')
  const backups = join(folder, 'backups')
  let state: StateDirectory
  let server: EmbeddedPostgres
  let source: TestDatabase
  let gateway: TestGateway
  let dump: string
  const before: { key: string; id: string }[] = []

  beforeAll(async () => {
    mkdirSync(backups)
    state = newStateDirectory()
    server = await startEmbeddedPostgres({ stateDirectory: state.path, binDirectory: POSTGRES_15, log: () => {} })
    source = await createDatabase({ server: server.url })
    gateway = await startGateway({}, source)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await source[Symbol.asyncDispose]()
    await server.stop()
    await state[Symbol.asyncDispose]()
  })

  /** Runs a script as an operator does: with the variables of libpq. */
  function run(script: 'backup' | 'restore', database: TestDatabase, settings: Record<string, string> = {}, ...given: string[]) {
    const { hostname, port, username, password, pathname } = new URL(database.url)
    const env = {
      PATH: `${POSTGRES_15}:${process.env.PATH}`,
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: decodeURIComponent(username),
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: pathname.slice(1),
      BACKUP_DIR: backups,
      ...settings,
    }
    return promisify(execFile)('sh', [`deploy/backup/${script}.sh`, ...given], { env }).then(
      (done): Ended => ({ status: 0, ...done }),
      ({ code, stdout, stderr }): Ended => ({ status: code, stdout, stderr }),
    )
  }

  async function score(target: TestGateway, key: string) {
    const features = { consumerCredit: Number(key.split('-')[1]) % 2 ? HIGH_RISK : LOW_RISK }
    const scorer = await target.as({ roles: ['SCORER'] })
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: { applicantId: key, idempotencyKey: key, features } })
    return predictRisk
  }

  it('backs up a database that is being written, into a file that is checked', async () => {
    for (let i = 0; i < 30; i++) before.push({ key: `before-${i}`, id: (await score(gateway, `before-${i}`)).prediction.id })
    let [isOver, scored] = [false, 0]
    const load = (async () => {
      for (; !isOver; scored++) await score(gateway, `during-${scored}`)
    })()
    await until(() => scored > 0)
    const result = await run('backup', source)
    const duringBackup = scored
    isOver = true
    await load
    expect(result).toMatchObject({ status: 0, stderr: '' })
    expect(duringBackup).toBeGreaterThan(1)
    dump = result.stdout.trim()
    expect(readdirSync(backups).sort()).toEqual([dump, `${dump}.sha256`].map(path => path.slice(backups.length + 1)))
  })

  it('restores it: every row of before, its history, its alerts, its keys, and an audit that is whole', async () => {
    await using restored = await createDatabase({ server: server.url })
    expect(await run('restore', restored, {}, dump)).toMatchObject({ status: 0 })
    const ids = await restored.sql<{ id: string }[]>`select id from predictions`
    expect(ids.map(({ id }) => id)).toEqual(expect.arrayContaining(before.map(({ id }) => id)))
    // All tables are of one moment.
    const [counts] = await restored.sql<Record<string, number>[]>`
      select (select count(*)::int from idempotency_keys) as keys, (select count(*)::int from predictions) as predictions,
        (select count(*)::int from alerts) as alerts, (select count(*)::int from predictions where high_risk) as "highRisk",
        (select sum(predictions)::int from (select predictions from risk_deltas
          union all select predictions from risk_rollups where minutes = 15) all_counts) as counted`
    expect(counts).toEqual({
      keys: ids.length,
      predictions: ids.length,
      alerts: counts?.highRisk,
      highRisk: expect.any(Number),
      counted: ids.length,
    })
    const rows = ({ sql }: TestDatabase) => sql`select * from predictions where id in ${sql(ids.map(({ id }) => id))} order by id`
    expect(await rows(restored)).toEqual(await rows(source))

    await using replica = await startGateway({}, restored)
    expect(await pages(replica)).toEqual(ids.map(({ id }) => id).sort())
    const [seen, there] = [await alertsOf(replica), await alertsOf(gateway)]
    expect(seen).toEqual(there.slice(0, seen.length))
    expect(seen).toHaveLength(present(counts).alerts ?? -1)
    for (const { key, id } of before) expect(await score(replica, key)).toMatchObject({ replayed: true, prediction: { id } })
    expect(await score(replica, 'after-1')).toMatchObject({ replayed: false })
    expect(await runCommand(['audit', 'verify'], { ...TEST_KEY, DATABASE_URL: restored.url })).toMatchObject({ status: 0 })
    expect(await runCommand(['doctor'], { ...TEST_KEY, DATABASE_URL: restored.url })).toMatchObject({ status: 0 })
  })

  it('restores with several connections, too', async () => {
    await using restored = await createDatabase({ server: server.url })
    expect(await run('restore', restored, { RESTORE_JOBS: '2' }, dump)).toMatchObject({ status: 0 })
    const [row] = await restored.sql<{ rows: number }[]>`select count(*)::int as rows from predictions`
    expect(present(row).rows).toBeGreaterThanOrEqual(before.length)
  })

  it('restores nothing over a database that holds something', async () => {
    const rows = await source.sql`select count(*) from predictions`
    expect(await run('restore', source, {}, dump)).toEqual({
      status: 1,
      stdout: '',
      stderr: `restore: the database ${source.name} is not empty: nothing was changed.\n`,
    })
    expect(await source.sql`select count(*) from predictions`).toEqual(rows)
  })

  it('restores no file that has changed, or that came without its sum', async () => {
    await using empty = await createDatabase({ server: server.url })
    const { stdout } = await run('backup', source, { BACKUP_KEEP: '10' })
    const other = stdout.trim()
    appendFileSync(other, 'x')
    expect(await run('restore', empty, {}, other)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/does not have the sum/),
    })
    rmSync(`${other}.sha256`)
    expect(await run('restore', empty, {}, other)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/sha256 is missing/),
    })
    rmSync(other)
    expect(await empty.sql`select from pg_class where relnamespace = 'public'::regnamespace`).toEqual([])
  })

  it('keeps the newest backups, and leaves nothing behind when it fails', async () => {
    const made = [dump]
    for (let i = 0; i < 2; i++) made.push((await run('backup', source, { BACKUP_KEEP: '2' })).stdout.trim())
    const kept = readdirSync(backups).filter(name => name.endsWith('.dump'))
    expect(kept.map(name => join(backups, name)).sort()).toEqual(made.slice(1).sort())
    expect(readdirSync(backups)).toHaveLength(4)
    await using empty = await createDatabase({ server: server.url })
    expect(await run('backup', empty)).toMatchObject({ status: 1, stderr: expect.stringMatching(/lacks audit_key/) })
    expect(await run('backup', source, { PGPASSWORD: 'wrong' })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/pg_dump failed/),
    })
    expect(readdirSync(backups)).toHaveLength(4)
  })

  it.each([
    ['backup', { BACKUP_DIR: '/nowhere' }, []],
    ['backup', { BACKUP_KEEP: '0' }, []],
    ['backup', {}, ['all']],
    ['restore', {}, []],
    ['restore', {}, ['/nowhere']],
    ['restore', { RESTORE_JOBS: 'many' }, ['deploy/backup/restore.sh']],
    ['restore', { PGDATABASE: '' }, ['deploy/backup/restore.sh']],
  ] as const)('%s.sh refuses wrong use with status 64: %o %o', async (script, settings, given) => {
    expect(await run(script, source, settings, ...given)).toMatchObject({ status: 64, stdout: '' })
  })
})

async function pages(gateway: TestGateway): Promise<string[]> {
  const analyst = await gateway.as({ roles: ['ANALYST'] })
  const ids: string[] = []
  let after: string | null | undefined
  do {
    const { predictions } = await analyst.data(HistoryDocument, { first: 10, after, orderBy: 'CREATED_AT_ASC' })
    ids.push(...predictions.nodes.map(({ id }) => id))
    after = predictions.pageInfo.hasNextPage ? predictions.pageInfo.endCursor : undefined
  } while (after)
  return ids.sort()
}

async function alertsOf(gateway: TestGateway): Promise<string[]> {
  const monitor = await gateway.as({ roles: ['MONITOR'] })
  const ids: string[] = []
  let after: string | null | undefined
  do {
    const { alerts } = await monitor.data(AlertsDocument, { first: 100, after })
    ids.push(...alerts.nodes.map(({ id }) => id))
    after = alerts.pageInfo.hasNextPage ? alerts.pageInfo.endCursor : undefined
  } while (after)
  return ids
}
