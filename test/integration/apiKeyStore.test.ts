import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiKeyStore } from '../../src/storage/apiKeys/apiKeyStore.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { RecordedDatabase } from '../support/recordedDatabase.js'

const MANY = 10_000

let database: TestDatabase
let recorded: RecordedDatabase
let store: ApiKeyStore
beforeAll(async () => {
  database = await createTestDatabase()
  await migrateDatabase(database.url)
  recorded = new RecordedDatabase(database.url)
  store = new ApiKeyStore(recorded)
})
afterAll(async () => {
  await recorded.close()
  await database[Symbol.asyncDispose]()
})

/** Creates keys of a tenant, all revoked except the oldest two. */
async function fill(tenant: string, count: number): Promise<string[]> {
  const rows = await database.sql<{ id: string }[]>`
    insert into api_keys (id, tenant, principal, roles, digest, created_at, created_by, expires_at, revoked_at)
    select gen_random_uuid(), ${tenant}, 'shop', '{SCORER}', 'x', now(), 'test', now() + '1 day', now()
    from generate_series(1, ${count}::int) returning id`
  const ids = rows.map(({ id }) => id).sort()
  await database.sql`update api_keys set revoked_at = null, expires_at = now() + '1 day' where id = any(${ids.slice(0, 2)}::uuid[])`
  return ids
}

async function lastUses(ids: readonly string[]): Promise<(string | undefined)[]> {
  const rows = await database.sql<{ id: string; at: Date | null }[]>`
    select id, last_used_at as at from api_keys where id = any(${[...ids]}::uuid[])`
  return ids.map(wanted => rows.find(({ id }) => id === wanted)?.at?.toISOString())
}

describe('a page of keys', () => {
  it.each([false, true])(
    'reads no more keys than it holds, even if nearly all of ten thousand are revoked (active: %s)',
    async active => {
      const ids = await fill(`many-${active}`, MANY)
      await database.sql`analyze api_keys`
      recorded.take()
      const page = await store.page(`many-${active}`, { size: 20, after: undefined, active })
      const expected = active ? ids.slice(0, 2).reverse() : ids.slice(-21).reverse()
      expect(page.map(({ id }) => id)).toEqual(expected)
      const { rows } = await recorded.reading(present(recorded.take()[0]))
      expect(rows).toBeLessThanOrEqual(21)
    },
  )
})

describe('the last use of a key', () => {
  it('never moves backwards, and is never in the future', async () => {
    const [one, two] = await fill('uses', 2)
    const [id, other] = [present(one), present(two)]
    await store.noteUses([{ id, at: new Date('2026-03-02T00:00:00.000Z') }])
    await store.noteUses([{ id, at: new Date('2026-03-01T00:00:00.000Z') }])
    expect(await lastUses([id, other])).toEqual(['2026-03-02T00:00:00.000Z', undefined])
    await store.noteUses([{ id, at: new Date(Date.now() + 86_400_000) }])
    const [at] = await lastUses([id])
    expect(Date.parse(present(at))).toBeLessThan(Date.now() + 5_000)
  })

  it('can be noted by many calls at once, with the keys in any order', async () => {
    const ids = await fill('together', 500)
    const at = (i: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, i))
    const others = Array.from({ length: 4 }, () => new RecordedDatabase(database.url))
    try {
      const notes = others.flatMap((other, i) => {
        const its = new ApiKeyStore(other)
        return [
          its.noteUses(ids.map(id => ({ id, at: at(i) }))),
          its.noteUses(ids.toReversed().map(id => ({ id, at: at(i + 10) }))),
        ]
      })
      await Promise.all(notes)
    } finally {
      await Promise.all(others.map(other => other.close()))
    }
    expect(new Set(await lastUses(ids))).toEqual(new Set([at(13).toISOString()]))
  })
})

describe('the verification of keys', () => {
  it('finds keys that are not revoked, and names missing ones', async () => {
    const ids = await fill('verified', 4)
    const never = '01900000-0000-7000-8000-000000000000'
    const found = await store.find([...ids, never])
    expect(found.map(({ id }) => id).sort()).toEqual(ids.slice(0, 2))
    expect(found[0]).toMatchObject({ tenant: 'verified', principal: 'shop', roles: ['SCORER'], digest: 'x' })
    expect((await store.withdrawn([...ids, never])).sort()).toEqual([...ids.slice(2), never].sort())
  })
})
