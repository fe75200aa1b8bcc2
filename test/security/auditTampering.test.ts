import postgres, { type Sql } from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SealHash } from '../../src/storage/audit/auditChain.js'
import { verifyAudit } from '../../src/storage/audit/auditVerification.js'
import { addEntries, sealAll } from '../support/audit.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { runCommand } from '../support/gatewayProcess.js'
import { fillHistory } from '../support/historyRows.js'
import { present } from '../support/process.js'
import { openStores, type TestStores } from '../support/stores.js'

type Change = (sql: Sql) => Promise<unknown>

/** The audit holds entries 1 to 60 under three seals of twenty, then five without a seal. */
describe('tampering by an intruder who owns the database', () => {
  let database: TestDatabase
  let stores: TestStores
  let sql: Sql
  let heads: string[]
  beforeEach(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    sql = database.sql
    heads = []
    for (let i = 0; i < 3; i++) {
      await addEntries(sql, 20)
      heads.push(...(await sealAll(stores.database)).map(({ hash }) => hash))
    }
    await addEntries(sql, 5)
    expect(await verifyAudit(stores.database, heads[1])).toMatchObject({ entries: 60, seals: 3, unsealed: 5, isHeadFound: true })
    await sql`alter table audit_entries disable trigger all`
    await sql`alter table audit_entries alter column id drop identity`
    await sql`alter table audit_seals disable trigger all`
  })
  afterEach(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  const problem = async () => (await verifyAudit(stores.database)).problem

  it.each([
    ['tenant', sql => sql`update audit_entries set tenant = 'bank' where id = 30`],
    ['time', sql => sql`update audit_entries set at = at + interval '1 millisecond' where id = 30`],
    ['principal', sql => sql`update audit_entries set principal = 'somebody' where id = 30`],
    ['action', sql => sql`update audit_entries set action = 'history.Read' where id = 30`],
    ['subject', sql => sql`update audit_entries set subject = subject || ' ' where id = 30`],
    ['text of the details', sql => sql`update audit_entries set details = details || '{"n": "10"}' where id = 30`],
    ['number of the details', sql => sql`update audit_entries set details = details || '{"ratio": 10.1}' where id = 30`],
    ['id', sql => sql`update audit_entries set id = -30 where id = 30`],
  ] as [string, Change][])('is found if the %s of an entry was changed', async (_what, change) => {
    await change(sql)
    expect(await problem()).toMatch(/^Seal 2 does not fit its 20 entries/)
  })

  it.each([
    ['transaction', sql => sql`update audit_entries set xid = '1' where id = 30`],
    ['epoch', sql => sql`update audit_entries set epoch = 0 where id = 30`],
  ] as [string, Change][])('is found if the %s of an entry was changed, and so its position', async (_what, change) => {
    await change(sql)
    expect(await problem()).toMatch(/^Seal 1 was made for 20 entries, and 21 are there/)
  })

  it.each([21, 30, 40])('is found if entry %i was removed', async id => {
    await sql`delete from audit_entries where id = ${id}`
    const found = await problem()
    expect(found).toContain('Seal 2 was made for 20 entries, and 19 are there')
    expect(found).toMatch(/after 20 \(epoch 1, transaction \d+\), up to 40 \(epoch 1, transaction \d+\)\.$/)
  })

  it('is found if an entry was inserted among sealed ones', async () => {
    await sql`
      insert into audit_entries (id, tenant, at, principal, action, subject, details, epoch, xid)
      select -1, tenant, at, principal, action, subject, details, epoch, xid from audit_entries where id = 30`
    expect(await problem()).toContain('Seal 2 was made for 20 entries, and 21 are there')
  })

  it.each([
    ['-1', '0'],
    ['-2147483648', '-9223372036854775808'],
  ])('is found if an entry was inserted before the first: epoch %s, id %s', async (epoch, id) => {
    await sql`
      insert into audit_entries (id, tenant, at, principal, action, subject, details, epoch, xid)
      select ${id}::bigint, tenant, at, principal, action, subject, details, ${epoch}::int, '0'
      from audit_entries where id = 30`
    expect(await problem()).toMatch(/^Seal 1 was made for 20 entries, and 21 are there/)
  })

  it('is found if two entries were swapped', async () => {
    await sql`
      update audit_entries a set subject = b.subject, details = b.details, principal = b.principal, at = b.at
      from audit_entries b where (a.id, b.id) in ((30, 31), (31, 30))`
    expect(await problem()).toMatch(/^Seal 2 does not fit its 20 entries/)
  })

  it('is found if an entry was moved from one seal to the next', async () => {
    await sql`update audit_entries set xid = (select xid from audit_entries where id = 41) where id = 40`
    expect(await problem()).toMatch(/^Seal 2 was made for 20 entries, and 19 are there/)
  })

  it.each([
    ['first', 1, 'Seal 1 is missing: seal 2 follows instead.'],
    ['middle', 2, 'Seal 2 is missing: seal 3 follows instead.'],
  ])('is found if the %s seal was removed', async (_which, number, expected) => {
    await sql`delete from audit_seals where number = ${number}`
    expect(await problem()).toBe(expected)
  })

  it('is found if all seals, or the last ones, were removed, once the entries are older than a minute', async () => {
    await sql`update audit_entries set at = at - interval '2 minutes' where id > 60`
    expect(await problem()).toMatch(/^Entries since .* have no seal: seals were deleted, or no gateway has run since\./)
    for (const last of [2, 0]) {
      await sql`delete from audit_seals where number > ${last}`
      await sql`update audit_entries set at = at - interval '2 minutes' where id > ${last * 20} and id <= 60`
      expect(await problem()).toMatch(/^Entries since .* have no seal/)
    }
  })

  it('is not suspected while an open transaction keeps old entries from being sealed', async () => {
    const other = postgres(database.url, { max: 1 })
    try {
      await other`begin`
      await other`select pg_current_xact_id()`
      await sql`update audit_entries set at = at - interval '2 minutes', xid = pg_current_xact_id() where id > 60`
      expect(await problem()).toBeUndefined()
      await other`rollback`
      expect(await problem()).toMatch(/^Entries since .* have no seal/)
    } finally {
      await other.end()
    }
  })

  it('is found if all seals and entries were removed, and predictions are left', async () => {
    await sql`delete from audit_seals`
    await sql`delete from audit_entries`
    expect(await problem()).toBeUndefined()
    await fillHistory(sql, { rows: 10, months: 1 })
    expect(await problem()).toMatch(/^It is empty, though there are predictions/)
  })

  it('is found if a seal was removed and the next one renumbered', async () => {
    await sql`delete from audit_seals where number = 2`
    await sql`update audit_seals set number = 2 where number = 3`
    expect(await problem()).toMatch(/^Seal 2 was made for 20 entries, and 40 are there/)
  })

  it.each([0, -7])('is found if a seal with number %i was added', async number => {
    await sql`
      insert into audit_seals (number, last_epoch, last_xid, last_id, entries, hash, sealed_at)
      select ${number}::int, 0, '0', 0, 0, hash, sealed_at from audit_seals where number = 1`
    expect(await problem()).toBe(`Seal 1 is missing: seal ${number} follows instead.`)
  })

  it.each([
    ['hash', sql => sql`update audit_seals set hash = repeat('0', 64) where number = 2`],
    ['time', sql => sql`update audit_seals set sealed_at = sealed_at - interval '1 day' where number = 2`],
    ['number of entries', sql => sql`update audit_seals set entries = 19 where number = 2`],
    ['last id', sql => sql`update audit_seals set last_id = 39 where number = 2`],
    ['last transaction', sql => sql`update audit_seals set last_xid = '1' where number = 2`],
    ['last epoch', sql => sql`update audit_seals set last_epoch = 0 where number = 2`],
  ] as [string, Change][])('is found if the %s of a seal was changed', async (_what, change) => {
    await change(sql)
    expect(await problem()).toMatch(/^Seal 2 /)
  })

  it('is found with an earlier noted hash if all seals were removed and made anew', async () => {
    await sql`update audit_entries set principal = 'somebody' where id = 30`
    await sql`delete from audit_seals`
    await sealAll(stores.database)
    expect(await verifyAudit(stores.database, heads[2])).toMatchObject({ problem: undefined, entries: 65, isHeadFound: false })
  })

  it('is found with an earlier noted hash if the seals were recomputed in place', async () => {
    await sql`update audit_entries set principal = 'somebody' where id = 30`
    const hashes = () => sql<{ hash: string }[]>`select hash from audit_seals order by number`
    const before = await hashes()
    await recompute(sql)
    const after = await hashes()
    expect(after.map(({ hash }, i) => hash === before[i]?.hash)).toEqual([true, false, false])
    expect(await verifyAudit(stores.database, heads[2])).toMatchObject({ problem: undefined, seals: 3, isHeadFound: false })
    expect(await verifyAudit(stores.database, heads[0])).toMatchObject({ isHeadFound: true })
  })

  it('is found with an earlier noted hash if the end was cut off', async () => {
    await sql`delete from audit_entries where id > 40`
    await sql`delete from audit_seals where number > 2`
    expect(await verifyAudit(stores.database, heads[2])).toMatchObject({ problem: undefined, seals: 2, isHeadFound: false })
  })

  it('is found with an earlier noted hash if everything was removed', async () => {
    await sql`truncate audit_entries, audit_seals`
    expect(await verifyAudit(stores.database, heads[0])).toMatchObject({ seals: 0, head: undefined, isHeadFound: false })
  })

  it('is found after the first page of a long audit too', async () => {
    await sql`
      insert into audit_entries select 100 + i, tenant, at, principal, action, subject, details, epoch, pg_current_xact_id()
      from audit_entries cross join generate_series(1, 5000) i where id = 65`
    await sealAll(stores.database)
    await sql`update audit_entries set subject = 'another' where id = 5050`
    expect(await problem()).toMatch(/^Seal \d+ does not fit its \d+ entries/)
  })

  describe('and `riskgate audit verify`:', () => {
    const verify = (...given: string[]) => runCommand(['audit', 'verify', ...given], { DATABASE_URL: database.url })

    it('it ends with status 0 and prints the head of an intact audit', async () => {
      const { status, stdout, stderr } = await verify('--head', present(heads[0]))
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^entries +60\nseals +3\nhead +3 /)
      expect(stdout).toContain(heads[2])
      expect(stdout).toMatch(/not sealed +5, since 20\d\d-.*Z\nThe audit is whole.\n$/)
    })

    it('it ends with status 1 and names the seal that does not fit', async () => {
      await sql`update audit_entries set principal = 'somebody' where id = 30`
      const { status, stdout, stderr } = await verify()
      expect(status).toBe(1)
      expect(stdout).toMatch(/^entries +20\nseals +1\n/)
      expect(stdout).not.toContain('whole')
      expect(stderr).toMatch(/^riskgate: The audit is not whole. Seal 2 does not fit its 20 entries.*after 20 .* up to 40 /)
    })

    it('it ends with status 1 if no seal has the given hash', async () => {
      const { status, stdout, stderr } = await verify('--head', 'ab'.repeat(32))
      expect(status).toBe(1)
      expect(stdout).not.toContain('whole')
      expect(stderr).toContain('No seal has the hash of --head')
    })

    it('it ends with status 78 if there is no database', async () => {
      const { status, stderr } = await runCommand(['audit', 'verify'])
      expect(status).toBe(78)
      expect(stderr).toContain('DATABASE_URL is not set')
    })

    it('it refuses a text that cannot be a hash', async () => {
      const { status, stderr } = await verify('--head', 'latest')
      expect(status).toBe(1)
      expect(stderr).toContain('64 hexadecimal digits')
    })
  })
})

/** Recomputes all seals, as an intruder would who knows how seals are made. */
async function recompute(sql: Sql): Promise<void> {
  const seals = await sql`
    select number, last_epoch::text as epoch, last_xid::text as xid, last_id::text as id, entries,
      (extract(epoch from sealed_at) * 1000)::bigint::text as "sealedAt" from audit_seals order by number`
  let previous = '0'.repeat(64)
  for (const [i, { number, epoch, xid, id, entries, sealedAt }] of seals.entries()) {
    const hash = new SealHash(previous, { number, last: { epoch, xid, id }, entries, sealedAt })
    const rows = await sql`
      select id::text, tenant, (extract(epoch from at) * 1000)::bigint::text as at, principal, action, subject, details::text as details,
        epoch::text, xid::text from audit_entries where id > ${i * 20} and id <= ${i * 20 + 20} order by audit_entries.id`
    for (const row of rows) hash.add(row as never)
    previous = hash.digest()
    await sql`update audit_seals set hash = ${previous} where number = ${number}`
  }
}
