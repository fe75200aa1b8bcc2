import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { ClockWatch } from '../../src/storage/postgres/clockWatch.js'
import { Clock } from '../days/clock.mjs'
import { createKey } from '../support/apiKeys.js'
import { HIGH_RISK } from '../support/applicants.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { RecordOutcomeDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { score } from '../support/stored.js'
import { idAt, newPrediction, openStores } from '../support/stores.js'

const { TEST_FAKETIME: library, TEST_COMPILER: compiler, TEST_CLOCK_AT: clockOfRun } = process.env
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const WARNING = 'the clock differs from that of Postgres; no upkeep runs here'

/** Runs some work while the clock of this process is wrong by that much. */
async function withClockOff<T>(offMs: number, work: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offMs })
  try {
    return await work()
  } finally {
    vi.useRealTimers()
  }
}

afterEach(() => void vi.useRealTimers())

describe('the watch of the clock', () => {
  it.each([
    [31 * DAY_MS, 'ahead of'],
    [-31 * DAY_MS, 'behind'],
  ])('with the clock off by %i ms, says so once and goes by that of PostgreSQL', async (offMs, said) => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const wrong = vi.fn()
    const watch = new ClockWatch(stores.database, wrong)
    await watch.look()
    expect(watch.isRight).toBe(true)
    expect(watch.problems()).toEqual([])
    const now = Date.now()
    await withClockOff(offMs, async () => {
      await watch.look()
      await watch.look()
      expect(watch.isRight).toBe(false)
      expect(Math.abs(watch.now() - now)).toBeLessThan(MINUTE_MS)
      expect(watch.problems()).toEqual([
        expect.stringMatching(new RegExp(`^The clock here is 267\\d{4} s ${said} that of Postgres`)),
      ])
    })
    expect(wrong).toHaveBeenCalledTimes(1)
    await watch.look()
    expect(watch.problems()).toEqual([])
  })

  it('shows no difference because an answer is slow', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const wrong = vi.fn()
    const watch = new ClockWatch(stores.database, wrong)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const looking = watch.look()
    // The process stood still for an hour, before or after the database looked at its clock.
    vi.setSystemTime(Date.now() + 3_600_000)
    await looking
    expect(watch.isRight).toBe(true)
  })
})

// Skipped below `npm run test:days`, which moves the clock of the whole run.
describe.skipIf(!library || !compiler || clockOfRun)('a gateway whose clock is wrong', { timeout: 120_000 }, () => {
  let clock: Clock
  beforeAll(() => {
    clock = new Clock({ library: present(library), compiler: present(compiler) })
  })
  afterAll(() => clock[Symbol.dispose]())

  const start = (database: TestDatabase, offMs = 0): Promise<GatewayProcess> =>
    spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY, ...(offMs && clock.at(new Date(Date.now() + offMs))) })

  it.each([
    ['ahead', 31 * DAY_MS],
    ['behind', -31 * DAY_MS],
  ])('%s by 31 days is not ready, and what it stores outlives the upkeep of the others', async (how, offMs) => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const old = new Date(Date.now() - 40 * DAY_MS)
    await stores.predictions.record(newPrediction({ id: idAt(old), createdAt: old }))
    await using wrong = await start(database, offMs)

    const answer = await fetch(`${wrong.url}/readyz`)
    expect(answer.status).toBe(503)
    expect(await answer.text()).toMatch(new RegExp(`The clock here is \\d+ s ${how}`))
    expect(wrong.log().filter(({ message }) => message === WARNING)).toHaveLength(1)

    const admin = await withClockOff(offMs, () => wrong.as({ roles: ['ADMIN'] }))
    const stored = await score(admin, 'wrong', HIGH_RISK)
    expect(Math.abs(Date.parse(stored.createdAt) - Date.now())).toBeLessThan(MINUTE_MS)
    // The gateway knows the clock of PostgreSQL to within an answer.
    const observedAt = new Date(Date.parse(stored.createdAt) + 1_000).toISOString()
    await admin.data(RecordOutcomeDocument, { input: { predictionId: stored.id, defaulted: false, observedAt } })
    const expiresAt = new Date(Date.now() + DAY_MS)
    expect((await createKey(admin, { expiresAt })).apiKey.expiresAt).toBe(expiresAt.toISOString())

    await using right = await start(database)
    expect((await fetch(`${right.url}/readyz`)).status).toBe(200)
    const alerts = () => database.sql<{ id: string }[]>`select prediction_id as id from alerts order by seq`
    await until(async () => (await alerts())[0]?.id === stored.id, 30_000)
    expect(await alerts()).toHaveLength(1)
  })
})
