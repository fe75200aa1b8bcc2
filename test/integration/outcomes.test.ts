import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { OutcomeStore } from '../../src/storage/predictions/outcomeStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { randomPrediction } from '../support/predictions.js'
import { until } from '../support/process.js'
import { oneOf, randomFrom } from '../support/random.js'
import { newPrediction, openStores, type TestStores } from '../support/stores.js'

const TENANT = { tenant: 'default' }
const LATER = new Date('2099-01-01T00:00:00.123Z')

async function stored(stores: TestStores, count: number): Promise<string[]> {
  const random = randomFrom(count)
  const rows = Array.from({ length: count }, () => randomPrediction(random, new Date()))
  await Promise.all(rows.map(row => stores.predictions.record(row)))
  return rows.map(({ prediction }) => prediction.id)
}

/** The counts of outcomes in the deltas, and the same counted from the predictions. */
async function statistics({ sql }: TestDatabase) {
  const written = await sql<{ outcomes: number; defaults: number }[]>`
    select model, model_version, quarter::text, band, sum(outcomes)::int as outcomes, sum(defaults)::int as defaults
    from risk_deltas group by 1, 2, 3, 4 having sum(outcomes) <> 0 order by 1, 2, 3, 4`
  const counted = await sql`
    select model, model_version, date_bin('15 minutes', created_at, timestamptz '2000-01-01 00:00Z')::text as quarter, band,
      count(*)::int as outcomes, count(*) filter (where defaulted)::int as defaults
    from predictions where defaulted is not null group by 1, 2, 3, 4 order by 1, 2, 3, 4`
  return { written: [...written], counted: [...counted] }
}

const audit = ({ sql }: TestDatabase) => sql<
  { action: string; subject: string; principal: string; details: Record<string, unknown> }[]
>`
  select tenant, principal, action, subject, details from audit_entries order by id`

const changes = async (database: TestDatabase) => (await audit(database)).filter(({ action }) => action === 'outcome.recorded')

describe('recorded outcomes', () => {
  it('replace each other, change nothing when repeated, and have an audit entry for each change', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const outcomes = new OutcomeStore(stores.database)
    const prediction = newPrediction().prediction
    await stores.predictions.record({ prediction, features: {}, idempotency: undefined })
    const { id: predictionId } = prediction
    const record = (by: string, defaulted: boolean, observedAt: Date) =>
      outcomes.record(TENANT, by, [{ predictionId, defaulted, observedAt }])
    const other = new Date('2098-01-01')

    const first = await record('desk', true, LATER)
    expect(first).toEqual(
      new Map([[predictionId, { prediction, outcome: { defaulted: true, observedAt: LATER, recordedBy: 'desk' } }]]),
    )
    expect(await record('another', true, LATER)).toEqual(first)
    await record('another', true, other)
    await record('desk', false, other)
    expect(await outcomes.findByIds('default', [predictionId, randomUUID()])).toEqual(
      new Map([[predictionId, { defaulted: false, observedAt: other, recordedBy: 'desk' }]]),
    )
    const line = { tenant: 'default', action: 'outcome.recorded', subject: predictionId }
    const at = (instant: Date) => instant.toISOString()
    expect(await audit(database)).toEqual([
      { ...line, principal: 'desk', details: { defaulted: true, observedAt: at(LATER), before: null } },
      // This call changed nothing, and was shown the existing outcome.
      { ...line, action: 'history.read', principal: 'another', details: { operation: 'recordOutcomes', ids: [predictionId] } },
      {
        ...line,
        principal: 'another',
        details: {
          defaulted: true,
          observedAt: at(other),
          before: { defaulted: true, observedAt: at(LATER), recordedBy: 'desk' },
        },
      },
      {
        ...line,
        principal: 'desk',
        details: {
          defaulted: false,
          observedAt: at(other),
          before: { defaulted: true, observedAt: at(other), recordedBy: 'another' },
        },
      },
    ])
    const { written, counted } = await statistics(database)
    expect(written).toEqual(counted)
    expect(written).toMatchObject([{ outcomes: 1, defaults: 0 }])
  })

  it('of another tenant, of a hidden principal and of unknown predictions are not touched', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const outcomes = new OutcomeStore(stores.database)
    const rows = [newPrediction(), newPrediction({ tenant: 'other' }), newPrediction({ requestedBy: 'mobile' })]
    await Promise.all(rows.map(row => stores.predictions.record(row)))
    const ids = [...rows.map(({ prediction }) => prediction.id), randomUUID()]
    const given = ids.map(predictionId => ({ predictionId, defaulted: true, observedAt: LATER }))
    const own = await outcomes.record({ ...TENANT, requestedBy: 'web-shop' }, 'web-shop', given)
    expect([...own.keys()]).toEqual([ids[0]])
    const all = await outcomes.record(TENANT, 'desk', given)
    expect([...all.keys()].sort()).toEqual([ids[0], ids[2]].sort())
    expect(await outcomes.findByIds('other', ids)).toEqual(new Map())
    expect(await outcomes.findByIds('default', [ids[1] ?? ''])).toEqual(new Map())
    const audited = (await audit(database)).map(({ subject, action }) => `${action} ${subject}`)
    const [shop, , mobile] = ids
    expect(audited.sort()).toEqual([`history.read ${shop}`, `outcome.recorded ${shop}`, `outcome.recorded ${mobile}`].sort())
  })

  it('from before their prediction change nothing', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const outcomes = new OutcomeStore(stores.database)
    const { prediction } = await stores.predictions.record(newPrediction())
    const record = (observedAt: Date) =>
      outcomes.record(TENANT, 'desk', [{ predictionId: prediction.id, defaulted: true, observedAt }])
    const early = await record(new Date(prediction.createdAt.getTime() - 1))
    expect(early).toEqual(new Map([[prediction.id, { prediction, outcome: null }]]))
    expect(await audit(database)).toEqual([])
    const atOnce = await record(prediction.createdAt)
    expect(atOnce.get(prediction.id)?.outcome).toEqual({
      defaulted: true,
      observedAt: prediction.createdAt,
      recordedBy: 'desk',
    })
  })

  it.each([1])('count each prediction once, however corrections through two gateways overlap, seed %i', async seed => {
    const random = randomFrom(seed)
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await using others = await openStores(database.url)
    const ids = await stored(stores, 40)
    const writers = [new OutcomeStore(stores.database), new OutcomeStore(others.database)]
    const correct = (call: number) => {
      const order = [...ids].sort(() => random() - 0.5).slice(0, 25)
      const given = order.map(predictionId => ({
        predictionId,
        defaulted: random() < 0.5,
        observedAt: new Date(LATER.getTime() + oneOf(random, [0, 1])),
      }))
      return oneOf(random, writers).record(TENANT, `writer-${call}`, given)
    }
    // The calls come in rounds, because a call's deadline also runs while it waits for a connection.
    for (let round = 0; round < 10; round++) {
      const recorded = await Promise.all(Array.from({ length: 16 }, (_, i) => correct(round * 16 + i)))
      expect(recorded.map(({ size }) => size)).toEqual(recorded.map(() => 25))
    }
    const { written, counted } = await statistics(database)
    expect(written).toEqual(counted)
    expect(written.reduce((sum, { outcomes }) => sum + outcomes, 0)).toBe(40)
    // Each entry begins with the outcome that the entry before it left, so that the audit missed no change.
    const last = new Map<string, unknown>()
    for (const { subject, principal, details } of await changes(database)) {
      const { before, ...now } = details
      expect(before).toEqual(last.get(subject) ?? null)
      last.set(subject, { ...now, recordedBy: principal })
    }
    const found = await writers[0]?.findByIds('default', ids)
    expect(
      new Map([...(found ?? [])].map(([id, outcome]) => [id, { ...outcome, observedAt: outcome.observedAt.toISOString() }])),
    ).toEqual(last)
  })

  it('wait for a correction that another gateway is about to commit, and count from its result', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const [id = ''] = await stored(stores, 1)
    const other = await database.sql.reserve()
    await other`begin`
    await other`update predictions set defaulted = true, outcome_observed_at = ${LATER}, outcome_recorded_by = 'other' where id = ${id}`
    const answer = new OutcomeStore(stores.database).record(TENANT, 'desk', [
      { predictionId: id, defaulted: false, observedAt: LATER },
    ])
    await until(async () => {
      const waiting = await database.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return waiting.length > 0
    })
    await other`commit`
    other.release()
    expect((await answer).get(id)?.outcome).toMatchObject({ defaulted: false, recordedBy: 'desk' })
    const deltas = await database.sql`select outcomes, defaults from risk_deltas where predictions = 0`
    expect(deltas).toEqual([{ outcomes: 0, defaults: -1 }])
    expect(await audit(database)).toMatchObject([{ details: { before: { defaulted: true, recordedBy: 'other' } } }])
  })

  it('survive a deadlock with another transaction', async () => {
    await using database = await createTestDatabase()
    // Our session must find the deadlock before its own time limit.
    const name = new URL(database.url).pathname.slice(1)
    await database.sql.unsafe(`alter database ${name} set deadlock_timeout = '300ms'`)
    await using stores = await openStores(database.url)
    const [first = '', second = ''] = (await stored(stores, 2)).sort()
    const other = await database.sql.reserve()
    await other`begin`
    await other`set local deadlock_timeout = '10s'`
    const touch = (id: string) => other`update predictions set channel = 'touched' where id = ${id}`
    await touch(second)
    const given = [first, second].map(predictionId => ({ predictionId, defaulted: true, observedAt: LATER }))
    const answer = new OutcomeStore(stores.database).record(TENANT, 'desk', given)
    await until(async () => {
      const waiting = await database.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return waiting.length > 0
    })
    await touch(first)
    await other`commit`
    other.release()
    expect((await answer).size).toBe(2)
    const { written, counted } = await statistics(database)
    expect(written).toEqual(counted)
  })

  it.each(['risk_deltas', 'audit_entries'])('are not recorded while the table %s cannot be written', async table => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const outcomes = new OutcomeStore(stores.database)
    const [predictionId = ''] = await stored(stores, 1)
    await database.sql.unsafe(`alter table ${table} add constraint broken check (false) not valid`)
    const given = [{ predictionId, defaulted: true, observedAt: LATER }]
    await expect(outcomes.record(TENANT, 'desk', given)).rejects.toMatchObject({ code: '23514' })
    expect(await outcomes.findByIds('default', [predictionId])).toEqual(new Map())
    await database.sql.unsafe(`alter table ${table} drop constraint broken`)
    expect((await outcomes.record(TENANT, 'desk', given)).get(predictionId)?.outcome?.defaulted).toBe(true)
  })

  it('of several months are recorded in one statement', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const random = randomFrom(1)
    const rows = Array.from({ length: 400 }, (_, i) => randomPrediction(random, new Date(Date.now() - (i % 2) * 40 * 86_400_000)))
    await Promise.all(rows.map(row => stores.predictions.record(row)))
    const given = rows.map(({ prediction }, i) => ({ predictionId: prediction.id, defaulted: i % 3 === 0, observedAt: LATER }))
    const recorded = await new OutcomeStore(stores.database).record(TENANT, 'desk', given)
    for (const { predictionId, defaulted } of given) {
      expect(recorded.get(predictionId)?.outcome).toEqual({ defaulted, observedAt: LATER, recordedBy: 'desk' })
    }
    const { written, counted } = await statistics(database)
    expect(written).toEqual(counted)
    const transactions = await database.sql`select distinct xmin::text from predictions`
    expect(transactions).toHaveLength(1)
  })
})
