import { readMigrationFiles } from 'drizzle-orm/migrator'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { migrateDatabase } from '../../src/storage/migrate.js'
import type { Blocker } from '../../src/storage/postgres/blockerWatch.js'
import { openFeedEpoch } from '../../src/storage/postgres/feedEpoch.js'
import { ensurePartitions, ensurePartitionsAhead, firstIdOf } from '../../src/storage/postgres/partitions.js'
import { createDatabase, createTestDatabase, migrateUpTo, type TestDatabase } from '../support/database.js'
import { launchGateway, runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { migrationLock } from '../support/migrationLock.js'
import { until } from '../support/process.js'
import { idAt, newPrediction, openStores, storesOf } from '../support/stores.js'

async function partitions({ sql }: TestDatabase): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select inhrelid::regclass::text as name from pg_inherits where inhparent = 'predictions'::regclass order by 1`
  return rows.map(({ name }) => name)
}

/** The partitions of the month before, of this month and of the next two. */
function partitionsAround(now: Date): string[] {
  return [-1, 0, 1, 2].map(offset => {
    const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1))
    return `predictions_${month.toISOString().slice(0, 7).replace('-', '_')}`
  })
}

/** Migrates, and expects the partitions around now. A month may end meanwhile. */
async function expectPartitionsAroundNow(database: TestDatabase, migrate: () => Promise<unknown>): Promise<void> {
  const before = partitionsAround(new Date())
  await migrate()
  expect([before, partitionsAround(new Date())]).toContainEqual(await partitions(database))
}

describe('migrateDatabase', () => {
  it('changes nothing the second time', async () => {
    await using database = await createDatabase()
    const state = async () => ({
      migrations: await database.sql`select id, hash from drizzle.__drizzle_migrations`,
      epochs: await database.sql`select ordinal, tag, cluster from feed_epochs`,
      partitions: await partitions(database),
    })
    await migrateDatabase(database.url)
    const first = await state()
    await migrateDatabase(database.url)
    expect(await state()).toEqual(first)
    expect(first.epochs).toHaveLength(1)
  })

  it('can run from several gateways at once on an empty database', async () => {
    await using database = await createDatabase()
    await expectPartitionsAroundNow(database, () => Promise.all(Array.from({ length: 4 }, () => migrateDatabase(database.url))))
    expect(await database.sql`select ordinal from feed_epochs`).toEqual([{ ordinal: 1 }])
  })

  it('creates the partitions of the last month, this month and the next two', async () => {
    await using database = await createDatabase()
    await expectPartitionsAroundNow(database, () => migrateDatabase(database.url))
  })

  it('opens a new epoch of the alert feed in a database that was restored into another cluster', async () => {
    await using database = await createDatabase()
    await migrateDatabase(database.url)
    await database.sql`update feed_epochs set cluster = 'the cluster of the backup'`
    await migrateDatabase(database.url)
    const epochs = await database.sql<{ ordinal: number; tag: string }[]>`select ordinal, tag from feed_epochs order by 1`
    expect(epochs.map(({ ordinal }) => ordinal)).toEqual([1, 2])
    expect(epochs[0]?.tag).not.toBe(epochs[1]?.tag)
  })
})

describe('migrateDatabase, while another gateway migrates', () => {
  it('waits, reports that once, and continues afterwards', async () => {
    await using database = await createDatabase()
    const other = await migrationLock(database)
    let reports = 0
    const migrated = migrateDatabase(database.url, { waiting: () => reports++ })
    const attempts = new Set<string>()
    await until(async () => {
      const rows = await database.sql<{ at: string }[]>`
        select query_start::text as at from pg_stat_activity where datname = ${database.name} and application_name = 'riskgate:migrate'`
      for (const { at } of rows) attempts.add(at)
      return attempts.size >= 3
    })
    await expectPartitionsAroundNow(database, async () => {
      await other.release()
      await migrated
    })
    expect(reports).toBe(1)
  })

  it('gives up when its signal aborts, and changes nothing', async () => {
    await using database = await createDatabase()
    const other = await migrationLock(database)
    const stop = new AbortController()
    const migrated = migrateDatabase(database.url, { waiting: () => stop.abort(), signal: stop.signal })
    await expect(migrated).rejects.toMatchObject({ name: 'AbortError' })
    await other.release()
    expect(await database.sql`select to_regclass('predictions') as found`).toEqual([{ found: null }])
  })
})

/** A session that keeps a transaction open after a statement. */
async function openTransaction(database: TestDatabase, statement: string) {
  const sql = postgres(database.url, { max: 1, connection: { application_name: 'a report' } })
  const session = await sql.reserve()
  const [row] = await session<{ pid: number }[]>`select pg_backend_pid() as pid`
  await session.unsafe(`begin; ${statement}`)
  return {
    pid: row?.pid,
    async end() {
      await session`commit`
      session.release()
    },
    [Symbol.asyncDispose]: () => sql.end({ timeout: 0 }),
  }
}

/** The next migration needs every writer and reader of the history out of its way. */
const BEFORE_AN_INDEX = 2

describe('migrateDatabase, while another session holds a lock', () => {
  it('reports the session, lets writers through, and goes on when the lock is free', async () => {
    await using database = await createDatabase()
    await migrateUpTo(database, BEFORE_AN_INDEX)
    await ensurePartitionsAhead(database.sql)
    await openFeedEpoch(database.sql)
    await using writer = storesOf(database.url)
    await using reader = await openTransaction(database, 'select from predictions')
    const reports: (readonly Blocker[])[] = []
    const migrated = migrateDatabase(database.url, { blocked: blockers => reports.push(blockers) })
    await until(async () => {
      await writer.predictions.record(newPrediction())
      return reports.length > 0
    })
    await reader.end()
    await migrated
    expect(reports).toEqual([
      [{ pid: reader.pid, application: 'a report', state: 'idle in transaction', since: expect.any(Date) }],
    ])
    const all = readMigrationFiles({ migrationsFolder: 'drizzle' }).length
    expect(await database.sql`select count(*)::int as rows from drizzle.__drizzle_migrations`).toEqual([{ rows: all }])
  })

  it('reports it also for a schema', async () => {
    await using database = await createDatabase()
    await using other = await openTransaction(database, 'create schema drizzle')
    const stop = new AbortController()
    const blocked = ([blocker]: readonly Blocker[]) => stop.abort(blocker?.pid)
    await expect(migrateDatabase(database.url, { blocked, signal: stop.signal })).rejects.toBe(other.pid)
  })

  it('frees its own locks after SIGTERM, and after kill -9', async () => {
    await using database = await createDatabase()
    await migrateUpTo(database, BEFORE_AN_INDEX)
    await using holder = await openTransaction(database, 'lock table predictions')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await using gateway = launchGateway({ DATABASE_URL: database.url, ...TEST_KEY })
      const line = await gateway.logged('a migration waits for the locks of other sessions; trying again')
      expect(line['riskgate.blockers']).toMatchObject([{ pid: holder.pid, application: 'a report' }])
      gateway.stop(signal)
      expect(await gateway.exited).toMatchObject(signal === 'SIGTERM' ? { status: 0, stderr: '' } : { signal })
      await until(async () => {
        const left =
          await database.sql`select from pg_stat_activity where datname = ${database.name} and application_name like 'riskgate%'`
        return left.length === 0
      })
    }
  })
})

describe('a database that a newer riskgate has migrated', () => {
  it.each(['serve', 'migrate'])('ends `riskgate %s` with status 78 and a sentence', async command => {
    await using database = await createTestDatabase()
    await database.sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of the next release', 9999999999999)`
    const { status, stderr } = await runCommand([command], { DATABASE_URL: database.url, RISKGATE_PORT: '0', ...TEST_KEY })
    expect({ status, stderr }).toEqual({
      status: 78,
      stderr: 'riskgate: DATABASE_URL: a newer riskgate has migrated its database. Start that version, or restore a backup.\n',
    })
  })
})

describe('partitions', () => {
  it('hold a month from its first millisecond to its last', async () => {
    await using database = await createDatabase()
    await using stores = await openStores(database.url)
    await ensurePartitions(database.sql, new Date('2031-04-10'))
    const instants = [
      '2031-03-31T23:59:59.999Z',
      '2031-04-01T00:00:00.000Z',
      '2031-04-30T23:59:59.999Z',
      '2031-05-01T00:00:00.000Z',
    ]
    for (const instant of instants) {
      const createdAt = new Date(instant)
      await stores.predictions.record(newPrediction({ id: idAt(createdAt), createdAt }))
    }
    const rows = await database.sql`select tableoid::regclass::text as partition from predictions order by id`
    const months = ['03', '04', '04', '05']
    expect(rows.map(({ partition }) => partition)).toEqual(months.map(month => `predictions_2031_${month}`))
    expect(
      await database.sql`select count(*)::int as rows from only predictions_2031_04 where id < ${firstIdOf(new Date('2031-04-01'))}`,
    ).toEqual([{ rows: 0 }])
  })

  it('are created two months ahead, even while a reader of the history is open', async () => {
    await using database = await createDatabase()
    await using stores = await openStores(database.url)
    const reader = await database.sql.reserve()
    await reader`begin`
    await reader`select count(*) from predictions`
    for (const month of ['2031-04', '2031-05']) {
      await stores.database.write(({ sql }) => ensurePartitions(sql, new Date(`${month}-20`)))
    }
    await reader`commit`
    reader.release()
    const made = (await partitions(database)).filter(name => name.startsWith('predictions_2031'))
    expect(made).toEqual(['03', '04', '05', '06', '07'].map(month => `predictions_2031_${month}`))
  })

  it.each(['2001-02-03T04:05:06.789Z', '2049-12-31T23:59:59.999Z'])('are created for a row of %s', async instant => {
    await using database = await createDatabase()
    await using stores = await openStores(database.url)
    const createdAt = new Date(instant)
    const { prediction } = await stores.predictions.record(newPrediction({ id: idAt(createdAt), createdAt }))
    expect(await stores.history.findByIds({ tenant: 'default' }, [prediction.id])).toEqual([prediction])
    expect(await partitions(database)).toContain(`predictions_${instant.slice(0, 7).replace('-', '_')}`)
  })

  it('are created for several distant months of one group, and its other rows are stored too', async () => {
    await using database = await createDatabase()
    await using stores = await openStores(database.url)
    const years = [2001, 2027, 2035, 2049].map(year => new Date(Date.UTC(year, 5, 15)))
    const given = [new Date(), ...years].map(createdAt => newPrediction({ id: idAt(createdAt), createdAt }))
    const recorded = await Promise.all(given.map(row => stores.predictions.record(row)))
    expect(recorded.map(({ prediction }) => prediction)).toEqual(given.map(({ prediction }) => prediction))
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: given.length }])
  })

  it('are created once if several gateways need the same one at once', async () => {
    await using database = await createDatabase()
    await using first = await openStores(database.url)
    await using second = await openStores(database.url)
    await using third = await openStores(database.url)
    const createdAt = new Date('2041-07-15')
    const rows = [first, second, third].flatMap(({ predictions }) =>
      Array.from({ length: 40 }, () => predictions.record(newPrediction({ id: idAt(createdAt), createdAt }))),
    )
    const results = await Promise.allSettled(rows)
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: 120 }])
  })

  it('are created even during a long read of the history', async () => {
    await using database = await createDatabase()
    await using stores = await openStores(database.url)
    const reader = await database.sql.reserve()
    await reader`begin`
    await reader`select from predictions`
    const createdAt = new Date('2041-07-15')
    const row = newPrediction({ id: idAt(createdAt), createdAt })
    const recorded = await stores.predictions.record(row).finally(() => reader`commit`)
    reader.release()
    expect(recorded.prediction).toEqual(row.prediction)
  })

  it('have the indexes and the key of the table', async () => {
    await using database = await createDatabase()
    await migrateDatabase(database.url)
    const rows = await database.sql<{ indexes: number }[]>`
      select count(*)::int as indexes from pg_inherits join pg_index on indrelid = inhrelid
      where inhparent = 'predictions'::regclass and indisvalid group by inhrelid`
    const [whole] = await database.sql<{ indexes: number }[]>`
      select count(*)::int as indexes from pg_index where indrelid = 'predictions'::regclass`
    expect(rows).toEqual([whole, whole, whole, whole])
  })
})
