import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditFilter } from '../../src/storage/audit/auditQuery.js'
import { AuditReader } from '../../src/storage/audit/auditReader.js'
import { EntryIds } from '../../src/storage/audit/entryIds.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'
import { openStores, type TestStores } from '../support/stores.js'

const ROWS = 100_000
const SIZE = 20
/** The most entries read for a page, the most read with a filter of few matches, and the index probes for the seal. */
const FEW = SIZE + 5
const BOUND = 50 * SIZE + 5

describe('reading an audit of 100,000 entries', () => {
  let database: TestDatabase
  let stores: TestStores
  let recorded: RecordedDatabase

  beforeAll(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    recorded = new RecordedDatabase(database.url)
    // One busy tenant and client, and a rare one of each, whose entries are the oldest.
    await database.sql`
      insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
      select case when i % 1000 = 7 then 'rare' else 'busy' end, timestamptz '2026-01-01 00:00Z' + i * interval '1 s',
        case when i < 5000 and i % 50 = 0 then 'rare' else 'client' end,
        case when i < 5000 and i % 50 = 1 then 'applicant.erased' else 'history.read' end,
        case when i < 5000 and i % 50 = 2 then 'rare' else 'busy' end, '{}', 1, '5'
      from generate_series(1, ${ROWS}::int) i`
    await database.sql`analyze audit_entries`
  }, 120_000)
  afterAll(async () => {
    await recorded.close()
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  const day = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 86_400_000)
  const lists: [string, string, Partial<AuditFilter>, number][] = [
    ['all of a busy tenant', 'busy', {}, FEW],
    ['all of a quiet tenant', 'rare', {}, FEW],
    ['a busy principal', 'busy', { principal: 'client' }, FEW],
    ['a quiet principal', 'busy', { principal: 'rare' }, FEW],
    ['a rare action', 'busy', { action: 'applicant.erased' }, FEW],
    ['a rare subject', 'busy', { subjects: ['rare'] }, FEW],
    ['an unknown subject', 'busy', { subjects: ['none'] }, FEW],
    ['an hour', 'busy', { from: day(0.5), to: day(0.55) }, FEW],
    ['an hour of a busy principal', 'busy', { principal: 'client', from: day(0.5), to: day(0.55) }, FEW],
    ['a rare action of a busy principal', 'busy', { principal: 'client', action: 'applicant.erased' }, BOUND],
    ['a rare principal of a busy subject', 'busy', { subjects: ['busy'], principal: 'rare' }, BOUND],
    ['two subjects at once', 'busy', { subjects: ['busy', 'rare'] }, BOUND],
  ]

  it.each(lists)('reads few entries for %s, in both directions', async (_what, tenant, filter, most) => {
    const reader = new AuditReader(recorded, new EntryIds('a key'))
    for (const backward of [false, true]) {
      await reader.page({ tenant, filter: { subjects: [], ...filter }, size: SIZE, backward })
      const [statement] = recorded.take()
      const { rows } = await recorded.reading(present(statement))
      expect({ backward, rows: rows <= most ? 'few' : rows }).toEqual({ backward, rows: 'few' })
    }
  })

  it('resumes where a page with too few matches ended, up to the last match', async () => {
    const reader = new AuditReader(recorded, new EntryIds('a key'))
    const filter = { subjects: [], principal: 'client', action: 'applicant.erased' }
    let [found, pages, after] = [0, 0, undefined as string | undefined]
    for (let more = true; more; pages++) {
      const page = await reader.page({ tenant: 'busy', filter, size: 100, backward: false, after })
      found += page.entries.length
      more = page.hasMore
      after = page.reached ?? page.entries.at(-1)?.cursor
    }
    recorded.take()
    expect(found).toBe(100)
    expect(pages).toBeLessThan(30)
  })
})
