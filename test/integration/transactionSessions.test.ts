import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { isCommitUnknown } from '../../src/storage/postgres/postgresErrors.js'
import { TransactionSessions } from '../../src/storage/postgres/transactionSessions.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { until } from '../support/process.js'
import { newPrediction, storesOf } from '../support/stores.js'

// What `test/integration/pooler.test.ts` cannot bring about: PostgreSQL itself stands in for the pooler.
const storesBehindPooler = ({ url }: TestDatabase) => storesOf(url, undefined, { isPooled: true })

async function pidOf(sql: TestDatabase['sql']): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  return row?.pid ?? 0
}

const runs = async ({ sql }: TestDatabase, pid: number) => (await sql`select from pg_stat_activity where pid = ${pid}`).length > 0

describe('a call behind a pooler', () => {
  it('leaves no setting and no prepared statement behind', async () => {
    await using database = await createTestDatabase()
    await using stores = storesBehindPooler(database)
    await stores.predictions.record(newPrediction())
    const [row] = await stores.database.read(
      ({ sql }) => sql<{ inside: string; outside: string; prepared: number }[]>`
        select setting as inside, reset_val as outside, (select count(*)::int from pg_prepared_statements where name <> '') as prepared
        from pg_settings where name = 'statement_timeout'`,
    )
    expect(row).toEqual({ inside: '1000', outside: '0', prepared: 0 })
  })

  it('is rolled back when its work fails, and the session serves the next', async () => {
    await using database = await createTestDatabase()
    await using stores = storesBehindPooler(database)
    const failing = (end: () => unknown) =>
      stores.database.writeBulk(async ({ sql }) => {
        await sql`insert into audit_key values ('x')`
        return end()
      })
    const boom = new Error('boom')
    await expect(
      failing(() => {
        throw boom
      }),
    ).rejects.toBe(boom)
    await expect(stores.database.writeBulk(({ sql }) => sql`select 1 / 0`)).rejects.toMatchObject({ code: '22012' })
    expect(await stores.database.writeBulk(({ sql }) => sql`select 1 as one`)).toMatchObject([{ one: 1 }])
    expect(await database.sql`select from audit_key`).toHaveLength(1)
  })

  it('is not answered as done when PostgreSQL has rolled it back', async () => {
    await using database = await createTestDatabase()
    await using stores = storesBehindPooler(database)
    const ignoring = stores.database.write(async ({ sql }) => {
      await sql`insert into audit_key values ('x')`
      await sql`select 1 / 0`.catch(() => {})
    })
    await expect(ignoring).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(await database.sql`select from audit_key`).toHaveLength(1)
  })

  it('is not answered as done when its session ended before the commit', async () => {
    await using database = await createTestDatabase()
    await using stores = storesBehindPooler(database)
    const broken = stores.database.write(async ({ sql }) => {
      await sql`insert into audit_key values ('x')`
      const pid = await pidOf(sql)
      await database.sql`select pg_terminate_backend(${pid})`
      await until(async () => !(await runs(database, pid)))
    })
    await expect(broken).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(await database.sql`select from audit_key`).toHaveLength(1)
    expect(await stores.predictions.record(newPrediction())).toMatchObject({ replayed: false })
  })

  it('is ended by PostgreSQL when its gateway leaves it, and stores nothing', async () => {
    await using database = await createTestDatabase()
    // Without the deadline of the pool, which a frozen gateway does not keep either.
    const sessions = new TransactionSessions(1, 1_000, () =>
      postgres(database.url, { max: 1, prepare: false, onnotice: () => {} }),
    )
    const left = sessions.run(
      async ({ sql }) => {
        await sql`insert into audit_key values ('x')`
        const pid = await pidOf(sql)
        await until(async () => !(await runs(database, pid)))
      },
      { isSent: false, isGivenUp: false },
    )
    await expect(left).rejects.toSatisfy(isCommitUnknown)
    expect(await database.sql`select from audit_key`).toHaveLength(1)
    await sessions.end(1)
  })
})
