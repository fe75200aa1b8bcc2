import { execFileSync, spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Database } from '../../src/storage/postgres/database.js'
import { createTestDatabase } from '../support/database.js'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { type CallResults, newCall, send } from '../support/load.js'
import { prepareState } from '../support/postgresServer.js'
import { endProcess, until } from '../support/process.js'
import { newStateDirectory, preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { newPrediction, openStores } from '../support/stores.js'

const DISK_BYTES = 200_000_000
const FULL = 'Postgres refuses writes: disk full (53100)'
const GONE = 'Postgres refuses writes: its files are missing, or its disk fails (58P01)'

const canMount = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const state = newStateDirectory()
  const { status } = mount(state.path)
  if (status === 0) execFileSync('umount', [state.path])
  rmSync(state.path, { recursive: true })
  return status === 0
})()

/** A small disk in memory. */
function mount(path: string) {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=755`, 'tmpfs', path], { stdio: 'ignore' })
}

async function readiness({ url }: GatewayProcess): Promise<{ status: number; reasons: string[] }> {
  const answer = await fetch(`${url}/readyz`)
  const { reasons } = (await answer.json()) as { reasons: string[] }
  return { status: answer.status, reasons }
}

async function becomes(gateway: GatewayProcess, reasons: readonly string[]): Promise<void> {
  await until(async () => JSON.stringify((await readiness(gateway)).reasons) === JSON.stringify(reasons), 30_000)
}

describe.skipIf(process.platform !== 'linux')('/readyz', { timeout: 120_000 }, () => {
  const undo: (() => unknown)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }, 30_000)

  async function start(state: StateDirectory): Promise<GatewayProcess> {
    const gateway = await spawnGateway({ RISKGATE_STATE_DIR: state.path, ...TEST_KEY })
    const postmaster = state.postmaster()
    undo.push(() => endProcess(postmaster, 'SIGQUIT'))
    undo.push(() => gateway.kill())
    expect(await readiness(gateway)).toEqual({ status: 200, reasons: [] })
    return gateway
  }

  it.skipIf(!canMount)('says that the disk is full, before the first score fails, and until there is room again', async () => {
    const state = newStateDirectory()
    undo.push(() => state[Symbol.asyncDispose]())
    expect(mount(state.path).status).toBe(0)
    undo.push(() => execFileSync('umount', [state.path]))
    prepareState(state.path)
    const gateway = await start(state)
    const filler = join(state.path, 'filler')
    expect(() => writeFileSync(filler, Buffer.alloc(DISK_BYTES))).toThrow('ENOSPC')
    await becomes(gateway, [FULL])
    expect((await readiness(gateway)).status).toBe(503)

    const scorer = await gateway.as({ roles: ['SCORER'] })
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    await until(async () => {
      await send(scorer, newCall(), results)
      return results.failed.length >= 10
    })
    expect(results.failed.every(({ code }) => code === 'SERVICE_UNAVAILABLE')).toBe(true)
    expect((await readiness(gateway)).reasons).toEqual([FULL])

    rmSync(filler)
    await becomes(gateway, [])
    results.failed.length = 0
    await send(scorer, newCall(), results)
    expect(results.failed).toEqual([])
    expect(gateway.log().filter(({ message }) => message === 'Postgres refuses writes; this gateway is not ready')).toMatchObject(
      [{ 'riskgate.reason': FULL }],
    )
  })

  it('says that the files are missing after the state directory was removed', async () => {
    const state = preparedStateDirectory()
    undo.push(() => state[Symbol.asyncDispose]())
    const gateway = await start(state)
    rmSync(state.path, { recursive: true })
    await becomes(gateway, [GONE])
    expect((await readiness(gateway)).status).toBe(503)
  })

  it('believes a refused write of a caller more than its own trial', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    expect(await stores.database.problems()).toEqual([])
    await database.sql.unsafe(`create function refuse() returns trigger language plpgsql as
      $$ begin raise 'no space' using errcode = 'disk_full'; end $$`)
    await database.sql`create trigger full_disk before insert on predictions for each row execute function refuse()`
    await expect(stores.predictions.record(newPrediction())).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await stores.database.problems()).toEqual([FULL])
    expect(stores.warnings).toContain('Postgres refuses writes; this gateway is not ready')
  })

  it('says that PostgreSQL is read-only', async () => {
    await using testDatabase = await createTestDatabase()
    await testDatabase.sql.unsafe(`alter database ${testDatabase.name} set default_transaction_read_only = on`)
    const database = new Database({ url: testDatabase.url, poolSize: 4, warn: () => {} })
    expect(await database.problems()).toEqual(['Postgres refuses writes: it is read-only, like a standby (25006)'])
    await database.close()
  })

  it('leaves nothing behind in the database', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const size = () => database.sql`select sum(pg_relation_size(oid)) as bytes from pg_class`
    const before = await size()
    expect(await stores.database.problems()).toEqual([])
    expect(await size()).toEqual(before)
    // PostgreSQL counts the temporary file of the trial a little later.
    await until(async () => {
      const [row] = await database.sql<{ files: number }[]>`
        select temp_files::int as files from pg_stat_database where datname = current_database()`
      return row?.files === 1
    })
  })
})
