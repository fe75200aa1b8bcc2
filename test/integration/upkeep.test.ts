import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Config } from '../../src/config/config.js'
import type { Logger } from '../../src/observability/logger.js'
import type { Kit } from '../../src/start/kit.js'
import { startPartitions } from '../../src/start/partitions.js'
import { startRetention } from '../../src/start/upkeep.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import type { ClockWatch } from '../../src/storage/postgres/clockWatch.js'
import { ensurePartitionsAhead, startOfMonth } from '../../src/storage/postgres/partitions.js'
import type { UpkeepTask } from '../../src/storage/postgres/upkeep.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { idAt, newPrediction, openStores, storesOf, type TestStores } from '../support/stores.js'

const DAY_MS = 86_400_000
const CONFIG = { alertRetentionDays: 30, predictionRetentionDays: 90 } as Config

describe('the upkeep of a gateway', () => {
  it('no longer warns of missing partitions within a minute after another user has made them', async () => {
    await using database = await createTestDatabase()
    const role = `service_${database.name}`
    await database.sql.unsafe(`create role ${role} login password 'a-password'`)
    const url = new URL(database.url)
    ;[url.username, url.password] = [role, 'a-password']
    await using stores = storesOf(url.href)
    const later = [1, 2].map(
      offset => `predictions_${startOfMonth(new Date(), offset).toISOString().slice(0, 7).replace('-', '_')}`,
    )
    await database.sql.unsafe(`drop table ${later.join()}`)
    const tasks: UpkeepTask[] = []
    const kit = {
      database: stores.database,
      metrics: { gauge: () => {} },
      logger: { warn: () => {} },
      upkeep: (...more: readonly UpkeepTask[]) => tasks.push(...more),
    } as unknown as Kit
    const { warnings } = await startPartitions(kit, { clock: { now: () => Date.now() } as ClockWatch })
    expect(warnings()).toHaveLength(1)
    await ensurePartitionsAhead(database.sql)
    for (const { everyMs, run } of tasks) if (everyMs <= 60_000) await run(new AbortController().signal)
    expect(warnings()).toEqual([])
    await database.sql.unsafe(`drop role ${role}`)
  })

  afterEach(() => void vi.useRealTimers())

  it.each([
    ['ahead', 400, 'young'],
    ['behind', -400, 'old and young'],
  ])('takes the earlier of both clocks: with its own clock %s by %i days it keeps the %s', async (how, days) => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const old = await store(stores, 150)
    const young = await store(stores, 1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * DAY_MS })
    const logger = { info: () => {} } as unknown as Logger
    const tasks: UpkeepTask[] = []
    const upkeep = (...more: readonly UpkeepTask[]) => tasks.push(...more)
    startRetention({ config: CONFIG, database: stores.database, logger, upkeep } as Partial<Kit> as Kit)
    for (const name of ['retention of alerts', 'prediction retention']) {
      await tasks.find(task => task.name === name)?.run(new AbortController().signal)
    }
    const kept = how === 'ahead' ? [young] : [old, young]
    expect(await idsOf(database, 'alerts', 'prediction_id')).toEqual(kept)
    expect(await idsOf(database, 'predictions', 'id')).toEqual(kept)
  })

  it.each([400, -400])('makes partitions for today by the clock of the database, with its own clock %i days off', async days => {
    await using database = await createDatabase()
    const now = new Date()
    vi.useFakeTimers({ toFake: ['Date'], now: now.getTime() + days * DAY_MS })
    await migrateDatabase(database.url)
    const partitions = await database.sql<{ name: string }[]>`
      select inhrelid::regclass::text as name from pg_inherits where inhparent = 'predictions'::regclass order by 1`
    const months = [-1, 0, 1, 2].map(offset => startOfMonth(now, offset).toISOString().slice(0, 7).replace('-', '_'))
    expect(partitions.map(({ name }) => name)).toEqual(months.map(month => `predictions_${month}`))
  })
})

async function store({ predictions }: TestStores, daysAgo: number): Promise<string> {
  const createdAt = new Date(Date.now() - daysAgo * DAY_MS)
  return (await predictions.record(newPrediction({ id: idAt(createdAt), createdAt }))).prediction.id
}

async function idsOf({ sql }: TestDatabase, table: string, column: string): Promise<string[]> {
  return (await sql.unsafe<{ id: string }[]>(`select ${column} as id from ${table} order by 1`)).map(({ id }) => id)
}
