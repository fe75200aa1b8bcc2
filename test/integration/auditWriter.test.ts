import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { auditDigestWith, readAuditKey } from '../../src/storage/audit/auditDigest.js'
import type { NewAuditEntry } from '../../src/storage/audit/auditEntries.js'
import { AuditWriter } from '../../src/storage/audit/auditWriter.js'
import { Database } from '../../src/storage/postgres/database.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { openStores, type TestStores } from '../support/stores.js'

function entry(subject: string, details: Record<string, unknown> = {}): NewAuditEntry {
  return { tenant: 'default', principal: 'analyst', action: 'history.read', subject, details }
}

describe('audit entries of reads', () => {
  let database: TestDatabase
  let stores: TestStores
  let failures: unknown[]
  let writer: AuditWriter
  beforeEach(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    failures = []
    writer = new AuditWriter(stores.database, error => failures.push(error))
  })
  afterEach(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('that arrive together are written together, each unchanged', async () => {
    const text = 'ä "quoted" \u2028 \\'
    await Promise.all(Array.from({ length: 200 }, (_, i) => writer.write([entry(`s-${i}`, { i, text }), entry(`t-${i}`)])))
    const rows = await database.sql`
      select tenant, principal, action, details from audit_entries where subject = 's-7'`
    expect([...rows]).toEqual([{ tenant: 'default', principal: 'analyst', action: 'history.read', details: { i: 7, text } }])
    const [counted] =
      await database.sql`select count(*)::int as entries, count(distinct xid)::int as statements from audit_entries`
    expect(counted).toEqual({ entries: 400, statements: 4 })
  })

  it('are stored when the write returns, and an empty write stores none', async () => {
    await writer.write([])
    await writer.write([entry('there')])
    expect(await database.sql`select subject from audit_entries`).toMatchObject([{ subject: 'there' }])
  })

  it('are stored even if another one of the group cannot be stored', async () => {
    const answers = await Promise.allSettled([
      writer.write([entry('good')]),
      writer.write([entry('\u0000')]),
      writer.write([entry('also good')]),
    ])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(answers[1]).toMatchObject({ reason: { code: 'SERVICE_UNAVAILABLE' } })
    expect(failures).toHaveLength(1)
    expect(await database.sql`select from audit_entries`).toHaveLength(2)
  })

  it('open a new epoch on a server with another identity', async () => {
    await database.sql`update feed_epochs set cluster = 'another'`
    await writer.write([entry('first')])
    expect(await database.sql`select epoch from audit_entries`).toMatchObject([{ epoch: 2 }])
  })

  it('fail with SERVICE_UNAVAILABLE, an expected error, while the database is away', async () => {
    const away = new Database({ url: 'postgres://nobody@127.0.0.1:1/none', poolSize: 4, warn: () => {} })
    const surprises: unknown[] = []
    const write = new AuditWriter(away, error => surprises.push(error)).write([entry('lost')])
    await expect(write).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(surprises).toEqual([])
    await away.close()
  })

  it('fail with SERVICE_UNAVAILABLE while the table is locked, and are not written later', async () => {
    await database.sql.begin(async held => {
      await held`lock table audit_entries`
      await expect(writer.write([entry('waits')])).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    })
    await writer.write([entry('next')])
    expect(await database.sql`select subject from audit_entries`).toMatchObject([{ subject: 'next' }])
  })

  it('do not wait for each other while the table is locked: one refused statement refuses all that wait behind it', async () => {
    await database.sql.begin(async held => {
      await held`lock table audit_entries`
      const statements = vi.spyOn(stores.database, 'write')
      const answers = await Promise.allSettled(Array.from({ length: 600 }, (_, i) => writer.write([entry(`waits-${i}`)])))
      expect(statements).toHaveBeenCalledTimes(1)
      expect(new Set(answers.map(answer => answer.status === 'rejected' && answer.reason.code))).toEqual(
        new Set(['SERVICE_UNAVAILABLE']),
      )
    })
    await writer.write([entry('next')])
    expect(await database.sql`select subject from audit_entries`).toMatchObject([{ subject: 'next' }])
  })

  it('replace texts with a digest that depends on the database, the tenant and the text', async () => {
    await using other = await createDatabase()
    await using otherStores = await openStores(other.url)
    const [digest, again, elsewhere] = await Promise.all(
      [stores, stores, otherStores].map(async ({ database: used }) => auditDigestWith(await readAuditKey(used))),
    )
    const digests = [digest, again, elsewhere].map(of => of?.('default', 'applicant'))
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(digests[1]).toBe(digests[0])
    expect(digests[2]).not.toBe(digests[0])
    expect(digest?.('bank', 'applicant')).not.toBe(digests[0])
    expect(digest?.('default', 'applicant2')).not.toBe(digests[0])
  })
})
