import { execFileSync } from 'node:child_process'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { HighRiskAlert } from '../../src/scoring/prediction.js'
import { parseAlertCursor } from '../../src/storage/alerts/alertCursor.js'
import { AlertStore } from '../../src/storage/alerts/alertStore.js'
import { Database } from '../../src/storage/postgres/database.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { embeddedServers } from '../support/embeddedServers.js'
import { follow, startFeed, take } from '../support/feed.js'
import { present } from '../support/process.js'
import { newPrediction, openStores, type TestStores } from '../support/stores.js'

vi.setConfig({ testTimeout: 60_000 })

const BAD_CURSOR = { code: 'BAD_CURSOR' }

/** Raises `count` alerts one after another; returns them in the order of the feed. */
async function raise({ predictions, alerts }: TestStores, count: number): Promise<HighRiskAlert[]> {
  const start = await alerts.now()
  for (let i = 0; i < count; i++) await predictions.record(newPrediction())
  return vi.waitFor(async () => {
    const raised = await alerts.read({ after: start, limit: 100 })
    expect(raised).toHaveLength(count)
    return raised
  }, 10_000)
}

const idsOf = (alerts: readonly HighRiskAlert[]) => alerts.map(({ id }) => id)
const pageAfter = (alerts: AlertStore, after: string) =>
  alerts.page({ tenant: 'default', filter: {}, size: 100, backward: false, after })

describe('the alert feed of a database that was copied on the same server', () => {
  let original: TestDatabase
  let copy: TestDatabase
  let here: TestStores
  /** A gateway that kept running and was pointed at the copy, so that nothing has opened an epoch there. */
  let led: { database: Database; alerts: AlertStore }
  let common: HighRiskAlert[]
  let lost: HighRiskAlert[]
  let nowAfterCopy: string

  beforeAll(async () => {
    original = await createTestDatabase()
    const before = await openStores(original.url)
    common = await raise(before, 3)
    await before[Symbol.asyncDispose]()
    // PostgreSQL copies a database only while it has no connections.
    await original.sql.end({ timeout: 1 })
    copy = await createDatabase({ template: original.name })
    here = await openStores(original.url)
    lost = await raise(here, 2)
    nowAfterCopy = await here.alerts.now()
    const database = new Database({ url: copy.url, poolSize: 4, warn: () => {} })
    led = { database, alerts: new AlertStore(database) }
  })
  afterAll(async () => {
    await led.database.close()
    await here[Symbol.asyncDispose]()
    await copy[Symbol.asyncDispose]()
    await original[Symbol.asyncDispose]()
  })

  it('is correct even before the first new alert opens an epoch there', async () => {
    for (const { cursor } of lost) {
      await expect(led.alerts.check(cursor)).rejects.toMatchObject(BAD_CURSOR)
      await expect(pageAfter(led.alerts, cursor)).rejects.toMatchObject(BAD_CURSOR)
    }
    const [first, second, third] = common as [HighRiskAlert, HighRiskAlert, HighRiskAlert]
    await expect(led.alerts.check(first.cursor)).resolves.toBeUndefined()
    expect(idsOf(await led.alerts.read({ after: first.cursor, limit: 9 }))).toEqual(idsOf([second, third]))
    // Copied alerts wait for no transaction, whatever the transaction numbers are here.
    await led.database.write(({ sql }) => sql`update alerts set xid = '9000000000'::xid8 where prediction_id = ${third.id}`)
    expect(idsOf(await led.alerts.read({ after: first.cursor, limit: 9 }))).toEqual(idsOf([second, third]))
    const { xid } = parseAlertCursor(third.cursor)
    await led.database.write(({ sql }) => sql`update alerts set xid = ${xid}::xid8 where xid = '9000000000'::xid8`)
  })

  it('gives the cursor of the last copied alert as alertCursor', async () => {
    const now = await led.alerts.now()
    expect(now).toBe(common.at(-1)?.cursor)
    expect(await led.alerts.read({ after: now, limit: 9 })).toEqual([])
  })

  it('accepts cursors of copied alerts, refuses cursors that only the original has, and skips no alert', async () => {
    await using there = await openStores(copy.url)
    const raised = await raise(there, 2)
    for (const [i, { cursor }] of common.entries()) {
      const expected = idsOf([...common.slice(i + 1), ...raised])
      await expect(there.alerts.check(cursor)).resolves.toBeUndefined()
      expect(idsOf(await there.alerts.read({ after: cursor, limit: 9 }))).toEqual(expected)
      expect(idsOf((await pageAfter(there.alerts, cursor)).entries)).toEqual(expected)
      await using running = await startFeed(there.alerts)
      expect(idsOf(await take(await follow(running, cursor), expected.length))).toEqual(expected)
    }
    for (const { cursor } of lost) {
      await expect(there.alerts.check(cursor)).rejects.toMatchObject(BAD_CURSOR)
      await expect(pageAfter(there.alerts, cursor)).rejects.toMatchObject(BAD_CURSOR)
    }
    // The alertCursor of the original is that of its last alert, which was not copied.
    await expect(there.alerts.check(nowAfterCopy)).rejects.toMatchObject(BAD_CURSOR)
    // The original is unaffected, and refuses cursors of the copy.
    for (const { cursor } of [...common, ...lost]) await expect(here.alerts.check(cursor)).resolves.toBeUndefined()
    for (const { cursor } of raised) await expect(here.alerts.check(cursor)).rejects.toMatchObject(BAD_CURSOR)
    const later = await raise(here, 1)
    const last = present(lost.at(-1)).cursor
    expect(idsOf(await here.alerts.read({ after: last, limit: 9 }))).toEqual(idsOf(later))
  })
})

describe.skipIf(process.platform === 'win32')('the alert feed of a server', () => {
  const { preparedState, start } = embeddedServers()

  it('continues after a restart, also for a client without any alert yet, and never reuses a cursor', async () => {
    const state = preparedState()
    const server = await start(state)
    const before = await openStores(server.url)
    const quiet = await before.alerts.now()
    const [old] = await raise(before, 1)
    const idle = await before.alerts.now()
    await before[Symbol.asyncDispose]()
    await server.stop()
    await using after = await openStores((await start(state)).url)
    const raised = await raise(after, 2)
    for (const cursor of [quiet, present(old).cursor, idle]) await expect(after.alerts.check(cursor)).resolves.toBeUndefined()
    expect(idsOf(await after.alerts.read({ after: quiet, limit: 9 }))).toEqual(idsOf([present(old), ...raised]))
    expect(idsOf(await after.alerts.read({ after: idle, limit: 9 }))).toEqual(idsOf(raised))
    expect(present(raised[0]).cursor > idle).toBe(true)
  })

  it('skips no alert after its files were restored from an older backup, however many alerts follow', async () => {
    const state = preparedState()
    const server = await start(state)
    const before = await openStores(server.url)
    const [kept] = await raise(before, 1)
    await before[Symbol.asyncDispose]()
    await server.stop()
    const [files, backup] = [join(state, 'postgres'), join(state, 'backup')]
    execFileSync('cp', ['-a', files, backup])
    const lostServer = await start(state)
    const during = await openStores(lostServer.url)
    const lost = await raise(during, 2)
    const idle = await during.alerts.now()
    await during[Symbol.asyncDispose]()
    await lostServer.stop()
    renameSync(files, join(state, 'broken'))
    renameSync(backup, files)
    await using after = await openStores((await start(state)).url)
    // More transactions than were lost, so that the numbers of the lost alerts are used again.
    const raised = await raise(after, 20)
    for (const { cursor } of lost) await expect(after.alerts.check(cursor)).rejects.toMatchObject(BAD_CURSOR)
    await expect(after.alerts.check(idle)).rejects.toMatchObject(BAD_CURSOR)
    await expect(after.alerts.check(present(kept).cursor)).resolves.toBeUndefined()
    expect(idsOf(await after.alerts.read({ after: present(kept).cursor, limit: 100 }))).toEqual(idsOf(raised))
  })
})
