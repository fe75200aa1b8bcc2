import { describe, expect, it, vi } from 'vitest'
import type { AppError } from '../../src/errors.js'
import { createTestDatabase } from '../support/database.js'
import { until } from '../support/process.js'
import { idAt, newPrediction, openStores, storesOf } from '../support/stores.js'

const UNAVAILABLE = { code: 'SERVICE_UNAVAILABLE' }

describe('the database', () => {
  it('stores predictions and reports ready while slow reads occupy all connections for reads', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const slow = Array.from({ length: 30 }, () =>
      stores.database.read(({ sql }) => sql`select pg_sleep(0.9)`).catch(() => undefined),
    )
    await until(async () => {
      const sleeping =
        await database.sql`select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
      return sleeping.length > 0
    })
    const row = newPrediction()
    expect(await stores.predictions.record(row)).toEqual({ prediction: row.prediction, replayed: false })
    expect(await stores.database.problems()).toEqual([])
    await Promise.all(slow)
  })

  it.each(['predictions rename to elsewhere', 'predictions rename column band to elsewhere'])(
    'answers that it is not available while a table or column is away: alter table %s',
    async change => {
      await using database = await createTestDatabase()
      await using stores = await openStores(database.url)
      await database.sql.unsafe(`alter table ${change}`)
      for (const way of ['read', 'write', 'writeBulk'] as const) {
        await expect(stores.database[way](({ sql }) => sql`select band from predictions`)).rejects.toMatchObject(UNAVAILABLE)
      }
      expect(stores.warnings).toContain('Postgres refuses a statement: a right, table, column or function is missing')
    },
  )

  it('tells how many calls of each pool run and wait, and how each ended', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const idle = { running: 0, waiting: 0 }
    expect(stores.database.pools).toMatchObject({
      read: { size: 7, ...idle },
      write: { size: 2, ...idle },
      bulk: { size: 1, ...idle },
    })
    const sleep = (seconds: number) => stores.database.write(({ sql }) => sql`select pg_sleep(${seconds})`)
    const bulk = Array.from({ length: 3 }, () => stores.database.writeBulk(({ sql }) => sql`select pg_sleep(0.1)`))
    const writes = Array.from({ length: 5 }, () => sleep(0.1))
    expect(stores.database.pools.write).toEqual({ size: 2, running: 2, waiting: 3 })
    expect(stores.database.pools.bulk).toEqual({ size: 1, running: 1, waiting: 2 })
    await Promise.all([...bulk, ...writes])
    await expect(sleep(1.2)).rejects.toMatchObject(UNAVAILABLE)
    expect(stores.database.pools.write).toEqual({ size: 2, ...idle })
    expect(stores.calls.filter(call => call === 'write ok')).toHaveLength(5)
    expect(stores.calls.filter(call => call === 'bulk ok')).toHaveLength(3)
    expect(stores.calls.filter(call => call === 'write failed')).toHaveLength(1)
  })

  it('makes PostgreSQL end sessions whose network is gone, whose transactions would hold back the alert feed', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const settings = { tcp_keepalives_idle: '5', tcp_keepalives_interval: '2', tcp_keepalives_count: '3' }
    for (const way of ['read', 'write'] as const) {
      const rows = await stores.database[way](
        ({ sql }) => sql<{ name: string; setting: string }[]>`
          select name, setting from pg_settings where name in ${sql(Object.keys(settings))}`,
      )
      expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual(settings)
    }
  })

  it('does bulk work in turns, together longer than a deadline, while predictions are stored', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    let done = 0
    const bulk = Array.from({ length: 20 }, () =>
      stores.database.writeBulk(({ sql }) => sql`select pg_sleep(0.1)`).then(() => done++),
    )
    let taken = 0
    while (done < 20) {
      await stores.predictions.record(newPrediction())
      taken++
    }
    // More than one prediction for each turn.
    expect(taken).toBeGreaterThan(20)
    await Promise.all(bulk)
    expect(stores.warnings).toEqual([])
  })

  it('refuses waiting bulk work as soon as the work before it gets no answer', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const broken = Object.assign(new Error('broken'), { code: 'CONNECTION_CLOSED' })
    let begun = 0
    const works = Array.from({ length: 5 }, () =>
      stores.database
        .writeBulk(async () => {
          begun++
          throw broken
        })
        .catch((error: AppError) => error.code),
    )
    expect(await Promise.all(works)).toEqual(['OUTCOME_UNKNOWN', ...Array(4).fill('SERVICE_UNAVAILABLE')])
    expect(begun).toBe(1)
    expect(await stores.database.writeBulk(({ sql }) => sql`select 1 as one`)).toMatchObject([{ one: 1 }])
  })

  it.each(['write', 'writeBulk'] as const)(
    'runs a %s again if it was ended as part of a deadlock, but not for ever',
    async way => {
      await using database = await createTestDatabase()
      await using stores = await openStores(database.url)
      let begun = 0
      const deadlocked = (times: number) =>
        stores.database[way](async ({ sql }) => {
          if (begun++ < times) await sql`do $$ begin raise 'deadlock detected' using errcode = '40P01'; end $$`
          return begun
        })
      expect(await deadlocked(3)).toBe(4)
      begun = 0
      await expect(deadlocked(Number.POSITIVE_INFINITY)).rejects.toMatchObject({ ...UNAVAILABLE, cause: { code: '40P01' } })
      expect(begun).toBe(4)
    },
  )

  it('reads instants correctly from a database with other date and time zone settings', async () => {
    await using database = await createTestDatabase()
    const name = new URL(database.url).pathname.slice(1)
    await database.sql.unsafe(`alter database ${name} set datestyle = 'SQL, DMY'`)
    await database.sql.unsafe(`alter database ${name} set timezone = 'Asia/Kathmandu'`)
    await using stores = await openStores(database.url)
    const after = await stores.alerts.now()
    const createdAt = new Date('2031-03-04T21:06:07.089Z')
    const { prediction } = newPrediction({ id: idAt(createdAt), createdAt, tenant: 'default' })
    const key = 'k'
    await stores.predictions.record(newPrediction({ ...prediction, key }))
    expect(await stores.predictions.record(newPrediction({ key }))).toEqual({ prediction, replayed: true })
    expect(await stores.history.findByIds({ tenant: 'default' }, [prediction.id])).toMatchObject([{ createdAt }])
    await vi.waitFor(async () => expect(await stores.alerts.read({ after, limit: 1 })).toMatchObject([{ raisedAt: createdAt }]))
  })

  it.each([
    ['directly', false],
    ['behind a pooler', true],
  ])('reads all digits of a probability from a database that is set to fewer, %s', async (_how, isPooled) => {
    await using database = await createTestDatabase()
    await database.sql.unsafe(`alter database ${database.name} set extra_float_digits = -8`)
    await using stores = storesOf(database.url, undefined, { isPooled })
    const application = { key: 'once', probability: 0.9317905306816101 }
    await stores.predictions.record(newPrediction(application))
    const { prediction, replayed } = await stores.predictions.record(newPrediction(application))
    expect({ replayed, probability: prediction.probability }).toEqual({ replayed: true, probability: 0.9317905306816101 })
  })

  it('refuses a read that takes longer than a second, and serves the next', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await expect(stores.database.read(({ sql }) => sql`select pg_sleep(30)`)).rejects.toMatchObject(UNAVAILABLE)
    expect(await stores.database.read(({ sql }) => sql`select 1 as one`)).toMatchObject([{ one: 1 }])
    expect(stores.warnings).toEqual(['Postgres is not available'])
  })

  it('refuses a cancelled write, and stores nothing of it', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const holder = await database.sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    await expect(stores.predictions.record(newPrediction())).rejects.toMatchObject(UNAVAILABLE)
    await holder`commit`
    holder.release()
    expect(await database.sql`select from predictions`).toHaveLength(0)
  })

  it.each(['predictions.record', 'alerts.read'])('answers %s with SERVICE_UNAVAILABLE while its login is refused', async what => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const name = new URL(database.url).pathname.slice(1)
    const role = `limited_${name}`
    await database.sql.unsafe(`create role ${role} login superuser password 'p'`)
    const url = new URL(database.url)
    ;[url.username, url.password] = [role, 'p']
    await using limited = await openStores(url.href)
    const after = await stores.alerts.now()
    await database.sql.unsafe(`alter role ${role} nologin`)
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
    const call = what === 'alerts.read' ? limited.alerts.read({ after, limit: 1 }) : limited.predictions.record(newPrediction())
    await expect(call).rejects.toMatchObject(UNAVAILABLE)
    await database.sql.unsafe(`drop role ${role}`)
  })

  it('throws OUTCOME_UNKNOWN if the connection breaks during a write', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const holder = await database.sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    const refused = expect(stores.predictions.record(newPrediction())).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    const ours = () => database.sql<{ pid: number }[]>`
      select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await until(async () => (await ours()).length > 0)
    await database.sql`select pg_terminate_backend(${(await ours())[0]?.pid ?? 0})`
    await refused
    await holder`commit`
    holder.release()
    expect(await stores.predictions.record(newPrediction())).toMatchObject({ replayed: false })
  })

  it('can be closed twice, and refuses calls afterwards', async () => {
    await using database = await createTestDatabase()
    const stores = await openStores(database.url)
    await Promise.all([stores.database.close(), stores.database.close()])
    await expect(stores.predictions.record(newPrediction())).rejects.toThrow()
  })
})
