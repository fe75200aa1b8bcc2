import { existsSync } from 'node:fs'
import type { Sql } from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuditSeal, type ChainedEntry, ENTRY_COLUMNS, NO_HASH, SealHash } from '../../src/storage/audit/auditChain.js'
import { AuditSealer } from '../../src/storage/audit/auditSealer.js'
import { verifyAudit } from '../../src/storage/audit/auditVerification.js'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { Database } from '../../src/storage/postgres/database.js'
import { addEntries, sealAll } from '../support/audit.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { newStateDirectory } from '../support/stateDirectory.js'
import { openStores, type TestStores } from '../support/stores.js'

const POSTGRES_15 = '/usr/lib/postgresql/15/bin'

describe('audit seals', () => {
  let database: TestDatabase
  let stores: TestStores
  let sql: Sql
  beforeEach(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    sql = database.sql
  })
  afterEach(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('cover all entries, up to 1,000 each, in a chain', async () => {
    await addEntries(sql, 2_500)
    const seals = await sealAll(stores.database)
    expect(seals.map(({ number, entries }) => [number, entries])).toEqual([
      [1, 1_000],
      [2, 1_000],
      [3, 500],
    ])
    expect(new Set([NO_HASH, ...seals.map(({ hash }) => hash)]).size).toBe(4)
    expect(await verifyAudit(stores.database)).toEqual({
      entries: 2_500,
      seals: 3,
      head: { number: 3, hash: seals[2]?.hash },
      problem: undefined,
      unsealed: 0,
      oldestUnsealedAt: undefined,
      isHeadFound: false,
    })
  })

  it('are not made if there is nothing to seal', async () => {
    expect(await sealAll(stores.database)).toEqual([])
    await addEntries(sql, 1)
    await sealAll(stores.database)
    expect(await sealAll(stores.database)).toEqual([])
    expect(await sql`select from audit_seals`).toHaveLength(1)
  })

  it('wait for an older transaction that may still add an earlier entry', async () => {
    await sql.begin(async held => {
      await held`select pg_current_xact_id()`
      await addEntries(sql, 3)
      expect(await sealAll(stores.database)).toEqual([])
      expect((await verifyAudit(stores.database)).unsealed).toBe(3)
      await addEntries(held as unknown as Sql, 2)
    })
    const seals = await sealAll(stores.database)
    expect(seals.map(({ entries }) => entries)).toEqual([5])
    // The entries of the older transaction come first, although their ids are higher.
    const order = await sql<{ id: string }[]>`select id::text from audit_entries order by epoch, xid, audit_entries.id`
    expect(order.map(({ id }) => id)).toEqual(['4', '5', '1', '2', '3'])
    expect(await verifyAudit(stores.database)).toMatchObject({ problem: undefined, entries: 5 })
  })

  it('form one chain when several gateways make them while entries are added', async () => {
    const made: AuditSeal[] = []
    const replicas = await Promise.all([1, 2, 3].map(() => openStores(database.url)))
    try {
      const sealers = replicas.map(replica => new AuditSealer(replica.database, seal => made.push(seal)))
      let isWriting = true
      const sealing = sealers.map(async sealer => {
        while (isWriting) await sealer.run()
        await sealer.run()
      })
      for (let i = 0; i < 100; i++) await Promise.all([addEntries(sql, 7), addEntries(sql, 13)])
      isWriting = false
      await Promise.all(sealing)
    } finally {
      await Promise.all(replicas.map(replica => replica[Symbol.asyncDispose]()))
    }
    const report = await verifyAudit(stores.database)
    expect(report).toMatchObject({ problem: undefined, entries: 2_000, unsealed: 0, seals: made.length })
    // Each seal was reported once, by the gateway that made it.
    expect(made.map(({ number }) => number).sort((a, b) => a - b)).toEqual(Array.from(made, (_, i) => i + 1))
  })

  it('made during a verification do not look like tampering', async () => {
    await addEntries(sql, 2_000)
    await sealEachEntry(sql)
    // A running gateway may add seals between any two pages of a verification.
    const inUse = {
      read: async (work: Parameters<Database['read']>[0]) => {
        const page = await stores.database.read(work)
        await addEntries(sql, 1)
        await sealAll(stores.database)
        return page
      },
    } as unknown as Database
    expect(await verifyAudit(inUse)).toMatchObject({ problem: undefined, entries: 2_000, seals: 2_000 })
    const report = await verifyAudit(stores.database)
    expect(report).toMatchObject({ problem: undefined, entries: report.seals, unsealed: 0 })
    expect(report.seals).toBeGreaterThan(2_002)
  })

  it('stop when the signal aborts', async () => {
    await addEntries(sql, 2_000)
    const ended = new AbortController()
    const made: number[] = []
    const sealer = new AuditSealer(stores.database, ({ number }) => {
      made.push(number)
      ended.abort()
    })
    await sealer.run(ended.signal)
    expect(made).toEqual([1])
    expect(sealer.backlog).toMatchObject({ entries: 1_000, oldestAt: expect.any(Date), lastSealAt: expect.any(Date) })
  })

  it('report how many entries are not sealed yet, and since when', async () => {
    const sealer = new AuditSealer(stores.database, () => {})
    await sealer.run()
    expect(sealer.backlog).toEqual({ entries: 0, oldestAt: null, lastSealAt: null })
    await sql.begin(async held => {
      await held`select pg_current_xact_id()`
      const clock = async () => (await sql<{ at: Date }[]>`select clock_timestamp()::timestamptz(3) as at`)[0]?.at
      const before = await clock()
      await addEntries(sql, 12)
      const after = await clock()
      await sealer.run()
      expect(sealer.backlog).toMatchObject({ entries: 12, lastSealAt: null })
      expect(Number(sealer.backlog.oldestAt)).toBeGreaterThanOrEqual(Number(before))
      expect(Number(sealer.backlog.oldestAt)).toBeLessThanOrEqual(Number(after))
    })
    await sealer.run()
    expect(sealer.backlog).toMatchObject({ entries: 0, oldestAt: null, lastSealAt: expect.any(Date) })
  })

  it.each(['audit_entries', 'audit_seals'])('cannot be undone: %s allows no update, delete or truncate', async table => {
    await addEntries(sql, 1)
    await sealAll(stores.database)
    const column = table === 'audit_seals' ? 'hash' : 'subject'
    for (const change of [`delete from ${table}`, `truncate ${table}`, `update ${table} set ${column} = ''`]) {
      await expect(sql.unsafe(change)).rejects.toThrow('The audit is only ever added to.')
    }
  })

  it.skipIf(!existsSync(POSTGRES_15))('made by PostgreSQL 18 are valid and go on in PostgreSQL 15', async () => {
    await addEntries(sql, 1_200)
    const seals = await sealAll(stores.database)
    await using state = newStateDirectory()
    const server = await startEmbeddedPostgres({ stateDirectory: state.path, binDirectory: POSTGRES_15, log: () => {} })
    try {
      await using older = await createDatabase({ server: server.url })
      await migrateDatabase(older.url)
      await copyAudit(sql, older.sql)
      const moved = new Database({ url: older.url, poolSize: 4, warn: () => {} })
      try {
        expect(await verifyAudit(moved, present(seals[0]).hash)).toMatchObject({
          problem: undefined,
          entries: 1_200,
          head: { hash: seals[1]?.hash },
          isHeadFound: true,
        })
        await older.sql`insert into feed_epochs select 2, 't', cluster, now() from feed_epochs`
        await addEntries(older.sql, 10)
        expect(await sealAll(moved)).toMatchObject([{ number: 3, entries: 10 }])
        expect(await verifyAudit(moved)).toMatchObject({ problem: undefined, entries: 1_210 })
      } finally {
        await moved.close()
      }
    } finally {
      await server.stop()
    }
  })
})

/** Makes a seal for each entry, because an audit has many seals after an hour of use. */
async function sealEachEntry(sql: Sql): Promise<void> {
  const entries = await sql<ChainedEntry[]>`select ${sql.unsafe(ENTRY_COLUMNS)} from audit_entries order by audit_entries.id`
  let hash = NO_HASH
  const seals = entries.map((entry, i) => {
    const { epoch, xid, id } = entry
    const head = { number: i + 1, last: { epoch, xid, id }, entries: 1, sealedAt: '0' }
    const next = new SealHash(hash, head)
    next.add(entry)
    hash = next.digest()
    return { number: head.number, epoch, xid, id, hash }
  })
  await sql`
    insert into audit_seals (number, last_epoch, last_xid, last_id, entries, hash, sealed_at)
    select number, epoch, xid::xid8, id, 1, hash, to_timestamp(0)
    from json_to_recordset(${JSON.stringify(seals)}::text::json) as row (number int, epoch int, xid text, id bigint, hash text)`
}

/** Copies the audit like a dump and a restore do: every value through its text. */
async function copyAudit(from: Sql, to: Sql): Promise<void> {
  const rows = await from<Record<string, string>[]>`
    select id::text, tenant, at::text, principal, action, subject, details::text, epoch::text, xid::text from audit_entries`
  for (let first = 0; first < rows.length; first += 500) {
    await to`
      insert into audit_entries overriding system value
      select id::bigint, tenant, at::timestamptz, principal, action, subject, details::jsonb, epoch::int, xid::xid8
      from json_to_recordset(${JSON.stringify(rows.slice(first, first + 500))}::text::json) as row (id text, tenant text, at text,
        principal text, action text, subject text, details text, epoch text, xid text)`
  }
  await to`select setval(pg_get_serial_sequence('audit_entries', 'id'), max(id)) from audit_entries`
  const seals = await from<Record<string, string>[]>`
    select number, last_epoch, last_xid::text, last_id::text, entries, hash, sealed_at::text from audit_seals`
  await to`
    insert into audit_seals select number, last_epoch, last_xid::xid8, last_id::bigint, entries, hash, sealed_at::timestamptz
    from json_to_recordset(${JSON.stringify(seals)}::text::json) as row (number int, last_epoch int, last_xid text, last_id text,
      entries int, hash text, sealed_at text)`
}
