import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionUrl } from '../../src/storage/embedded/embeddedConnection.js'
import { Clock } from '../days/clock.mjs'
import { HIGH_RISK } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { readDevelopmentFile, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { HistoryDocument, RiskSummaryDocument } from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { newStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { score } from '../support/stored.js'

const { TEST_FAKETIME: library, TEST_COMPILER: compiler, TEST_CLOCK_AT: startedAt } = process.env
const MINUTE_MS = 60_000
const LONGEST_RUN_MS = 180 * MINUTE_MS
// About the time that a gateway and its PostgreSQL take to start: most runs score before the month ends, all of them after it.
const LEAD_MS = 12_000

describe('the clock of this run', () => {
  it('is the same for Node, for PostgreSQL and for a gateway process, and the one that was asked for', async () => {
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY })
    const before = Date.now()
    const { createdAt } = await score(await gateway.as({ roles: ['ADMIN'] }), 'now', HIGH_RISK)
    const [row] = await database.sql<{ at: Date }[]>`select clock_timestamp() as at`
    for (const instant of [new Date(createdAt), present(row).at]) {
      expect(Math.abs(instant.getTime() - before)).toBeLessThan(MINUTE_MS)
    }
    if (startedAt) {
      expect(before).toBeGreaterThan(Date.parse(startedAt) - MINUTE_MS)
      expect(before).toBeLessThan(Date.parse(startedAt) + LONGEST_RUN_MS)
    }
  })
})

// Skipped below `npm run test:days`, which moves the clock of the whole run.
describe.skipIf(!library || !compiler || startedAt)('a gateway with its PostgreSQL', { timeout: 120_000 }, () => {
  let clock: Clock
  beforeAll(() => {
    clock = new Clock({ library: present(library), compiler: present(compiler) })
  })
  afterAll(() => clock[Symbol.dispose]())

  it.concurrent.each([
    ['a month', '2027-05-01T00:00:00.000Z', 'America/New_York'],
    ['a year', '2027-01-01T00:00:00.000Z', 'Europe/Madrid'],
    ['the 29th of February', '2028-03-01T00:00:00.000Z', 'Asia/Kathmandu'],
  ])('goes on over the end of %s', async (_what, turnsAt, timeZone) => {
    const turn = new Date(turnsAt)
    await using state = newStateDirectory()
    const environment = clock.at(new Date(turn.getTime() - LEAD_MS), timeZone)
    await using gateway = await spawnGateway({ RISKGATE_STATE_DIR: state.path, ...environment })
    const admin = new GraphqlClient(gateway.url, present(readDevelopmentFile(state.path).tokens.ADMIN))

    const scored: { id: string; createdAt: string; probability: number }[] = []
    const isAfter = ({ createdAt }: { createdAt: string }) => new Date(createdAt) >= turn
    while (scored.filter(isAfter).length < 3) {
      scored.push(await score(admin, `applicant-${scored.length}`, HIGH_RISK))
      await sleep(250)
    }

    const months = { before: scored.filter(row => !isAfter(row)), after: scored.filter(isAfter) }
    for (const orderBy of ['PROBABILITY_DESC', 'CREATED_AT_DESC'] as const) {
      for (const [rows, createdAt] of [
        [months.before, { to: turnsAt }],
        [months.after, { from: turnsAt }],
      ] as const) {
        const { predictions } = await admin.data(HistoryDocument, { filter: { createdAt }, orderBy, first: 100 })
        expect(predictions.nodes.map(({ id }) => id)).toEqual(rows.map(({ id }) => id).toReversed())
      }
    }
    const range = { from: dayFrom(turn, -20), to: dayFrom(turn, 20) }
    const { riskSummary } = await admin.data(RiskSummaryDocument, { ...range, interval: 'MONTH', timeZone: 'UTC' })
    expect(riskSummary.buckets.map(({ count }) => count)).toEqual([months.before.length, months.after.length])

    await using database = connectTo(state)
    const rows = await database.sql`select id, tableoid::regclass::text as partition from predictions order by id`
    expect([...rows]).toEqual(
      scored.map(row => ({ id: row.id, partition: `predictions_${row.createdAt.slice(0, 7).replace('-', '_')}` })),
    )
    const [now] = await database.sql<{ at: Date }[]>`select now() as at`
    expect(Math.abs(present(now).at.getTime() - Date.parse(present(scored.at(-1)).createdAt))).toBeLessThan(MINUTE_MS)
    // In order, and not by SIGQUIT: its handler in PostgreSQL asks for the time, which libfaketime may just have locked.
    expect(await gateway.stop()).toMatchObject({ status: 0, stderr: '' })
  })
})

function dayFrom(instant: Date, days: number): string {
  return new Date(instant.getTime() + days * 24 * 60 * MINUTE_MS).toISOString()
}

/** The PostgreSQL that a gateway has started in its state directory. */
function connectTo({ path }: StateDirectory) {
  const data = join(path, 'postgres')
  const port = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[3])
  const sql = postgres(connectionUrl(port, readFileSync(`${data}.password`, 'utf8').trim()), { max: 1 })
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) }
}
