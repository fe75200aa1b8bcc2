import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Config } from '../../src/config/config.js'
import type { Logger } from '../../src/observability/logger.js'
import type { Kit } from '../../src/start/kit.js'
import { startRetention } from '../../src/start/upkeep.js'
import type { UpkeepTask } from '../../src/storage/postgres/upkeep.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { idAt, newPrediction, openStores, type TestStores } from '../support/stores.js'

const DAY_MS = 86_400_000
const CONFIG = { alertRetentionDays: 30, predictionRetentionDays: 90 } as Config

describe('the upkeep of a gateway', () => {
  afterEach(() => void vi.useRealTimers())

  it.each([
    ['ahead', 400],
    ['behind', -400],
  ])('removes rows that are old by the clock of the database, even if its own clock is %s', async (_how, days) => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await store(stores, 150)
    const young = await store(stores, 1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * DAY_MS })
    const logger = { info: () => {} } as unknown as Logger
    const tasks: UpkeepTask[] = []
    const upkeep = (...more: readonly UpkeepTask[]) => tasks.push(...more)
    startRetention({ config: CONFIG, database: stores.database, logger, upkeep } as Partial<Kit> as Kit)
    for (const name of ['retention of alerts', 'prediction retention']) {
      await tasks.find(task => task.name === name)?.run(new AbortController().signal)
    }
    expect(await idsOf(database, 'alerts', 'prediction_id')).toEqual([young])
    expect(await idsOf(database, 'predictions', 'id')).toEqual([young])
  })
})

async function store({ predictions }: TestStores, daysAgo: number): Promise<string> {
  const createdAt = new Date(Date.now() - daysAgo * DAY_MS)
  return (await predictions.record(newPrediction({ id: idAt(createdAt), createdAt }))).prediction.id
}

async function idsOf({ sql }: TestDatabase, table: string, column: string): Promise<string[]> {
  return (await sql.unsafe<{ id: string }[]>(`select ${column} as id from ${table}`)).map(({ id }) => id)
}
