import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Prediction } from '../../src/scoring/prediction.js'
import { auditDigestWith, readAuditKey } from '../../src/storage/audit/auditDigest.js'
import { encodeHistoryCursor } from '../../src/storage/history/historyCursor.js'
import { ensurePartitions } from '../../src/storage/postgres/partitions.js'
import { TextCheck } from '../../src/storage/predictions/textCheck.js'
import { application, LOW_RISK } from '../support/applicants.js'
import { createDatabase, createTestDatabase, migrateUpTo, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { newPrediction, openStores, storesOf, type TestStores } from '../support/stores.js'

const NFC = 'Jos\u00e9-17'
const NFD = 'Jose\u0301-17'
const NEVER = new AbortController().signal
const ERASE = 'mutation($id: ID!) { eraseApplicant(input: { applicantId: $id }) { erased complete } }'
const HISTORY =
  'query($id: ID!, $after: String) { predictions(first: 10, filter: { applicantId: $id }, after: $after) { nodes { id channel features { name category } } } }'
const AUDIT = 'query($id: ID!) { auditEntries(filter: { applicantId: $id }, first: 100) { nodes { action details } } }'
const SCORE = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed prediction { id } } }'

/** As an older version stored an application: its texts as they came, and the digest of those. */
function asItCame(application: Partial<Prediction>, key?: string) {
  const { applicantId = '', channel = null } = application
  const text = JSON.stringify([applicantId, 'consumer-credit', channel, LOW_RISK])
  const digest = createHash('sha256').update(text).digest('hex')
  return {
    ...newPrediction({ ...application, requestedBy: 'test-client', ...(key !== undefined && { key, digest }) }),
    features: LOW_RISK,
  }
}

/** The database looks as just after the migration: nothing is checked yet. */
async function justMigrated({ sql }: TestDatabase): Promise<void> {
  await sql`update text_check set complete = false, tenant = null, round_to = '00000000-0000-0000-0000-000000000000'`
}

async function textCheckOf({ database }: TestStores, remembered: Prediction[] = []): Promise<TextCheck> {
  return new TextCheck(database, auditDigestWith(await readAuditKey(database)), async stored => void remembered.push(...stored))
}

const referencesOf = async ({ sql }: TestDatabase) =>
  (await sql<{ text: string }[]>`select applicant_id as text from predictions order by id`).map(({ text }) => text)

describe('a gateway on the database of an older version', () => {
  let database: TestDatabase
  let gateway: TestGateway
  const ids: string[] = []
  const former = { cursor: '' }
  beforeAll(async () => {
    database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const digest = auditDigestWith(await readAuditKey(stores.database))
    for (const [i, applicantId] of [NFD, NFC, ` ${NFC}`, `${NFD}\u00a0`].entries()) {
      const { prediction } = await stores.predictions.record(asItCame({ applicantId, channel: 'se\u0301de' }, `key-${i}`))
      ids.unshift(prediction.id)
      await database.sql`
        insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
        select 'default', now(), 'analyst', 'history.read', ${digest('default', applicantId)}, ${database.sql.json({ i })}, max(ordinal),
          pg_current_xact_id() from feed_epochs`
    }
    const newest = ids[0] as string
    former.cursor = encodeHistoryCursor({ id: newest, probability: 0.75 }, { applicantId: NFD }, 'CREATED_AT_DESC')
    await database.sql`
      insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
      select 'default', now(), 'desk', 'applicant.erased', ${digest('default', 'Rene\u0301')}, '{"count": 1}', max(ordinal),
        pg_current_xact_id() from feed_epochs`
    await justMigrated(database)
    gateway = await startGateway({}, database)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  async function ask<T>(query: string, variables: object): Promise<T> {
    const { data, errors } = await (await gateway.as({ roles: ['ADMIN', 'SCORER'] })).send<T>({ query, variables })
    expect(errors).toBeUndefined()
    return data as T
  }
  const history = async (id: string, after?: string) =>
    (await ask<{ predictions: { nodes: { id: string; channel: string }[] } }>(HISTORY, { id, after })).predictions.nodes

  it('shows all spellings of an applicant as one, before its first caller', async () => {
    for (const id of [NFC, NFD])
      expect((await history(id)).map(node => [node.id, node.channel])).toEqual(ids.map(id => [id, 's\u00e9de']))
  })

  it('goes on from a cursor that the older version gave out', async () => {
    for (const id of [NFC, NFD]) expect((await history(id, former.cursor)).map(node => node.id)).toEqual(ids.slice(1))
  })

  it.each([
    ['the spelling of then', NFD, 'se\u0301de', 'key-0'],
    ['the other spelling', NFC, 's\u00e9de', 'key-0'],
    ['the spelling of then', NFC, 'se\u0301de', 'key-1'],
    ['no spaces around it', NFC, 's\u00e9de', 'key-2'],
    ['no spaces around it', NFD, 's\u00e9de', 'key-3'],
  ])('answers a retry in %s with the prediction of then: %s, %s, %s', async (_what, applicantId, channel, idempotencyKey) => {
    const input = { ...application(applicantId), channel, idempotencyKey }
    const id = ids[3 - Number(idempotencyKey.at(-1))]
    expect(await ask(SCORE, { input })).toEqual({ predictRisk: { replayed: true, prediction: { id } } })
  })

  it.each([
    ['features', { ...application(NFC, { ...LOW_RISK, income: 1 }), channel: 's\u00e9de' }],
    ['channel', { ...application(NFC), channel: 'sede' }],
    ['applicant', { ...application('Jose-17'), channel: 's\u00e9de' }],
  ])('refuses a key of then with another %s', async (_what, input) => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const { errors } = await scorer.send({ query: SCORE, variables: { input: { ...input, idempotencyKey: 'key-0' } } })
    expect(errors?.[0]?.extensions.code).toBe('IDEMPOTENCY_KEY_REUSED')
  })

  it('shows the audit of every spelling, also of what was erased then', async () => {
    type Entries = { auditEntries: { nodes: { action: string; details: { i?: number } }[] } }
    for (const id of [NFC, NFD]) {
      const { nodes } = (await ask<Entries>(AUDIT, { id })).auditEntries
      expect(nodes.flatMap(({ details }) => details.i ?? [])).toEqual([3, 2, 1, 0])
    }
    expect((await ask<Entries>(AUDIT, { id: 'Ren\u00e9' })).auditEntries.nodes.map(({ action }) => action)).toEqual([
      'applicant.erased',
    ])
  })

  it('erases every spelling at once', async () => {
    expect(await ask(ERASE, { id: NFD })).toEqual({ eraseApplicant: { erased: 4, complete: true } })
    expect(await referencesOf(database)).toEqual([...ids].reverse().map(id => `erased:${id}`))
  })
})

describe('the check of stored texts', () => {
  it('has everything before it after the migration of an older database, and nothing on a new one', async () => {
    const stateOf = async ({ sql }: TestDatabase) => (await sql`select complete, ends_at > now() as runs from text_check`)[0]
    await using fresh = await createTestDatabase()
    expect(await stateOf(fresh)).toEqual({ complete: true, runs: true })
    await using old = await createDatabase()
    await migrateUpTo(old, 5)
    await ensurePartitions(old.sql, new Date())
    const { id, createdAt } = newPrediction().prediction
    await old.sql`
      insert into predictions values (${id}, 'default', ${NFD}, 'consumer-credit', '2', 0.75, 8, true, null, null, ${createdAt.toISOString()}, 'web-shop')`
    await using stores = await openStores(old.url)
    expect(await stateOf(old)).toEqual({ complete: false, runs: true })
    expect(await (await textCheckOf(stores)).run(NEVER)).toBe(1)
    expect(await stateOf(old)).toEqual({ complete: true, runs: true })
    expect(await referencesOf(old)).toEqual([NFC])
  })

  it('reads every tenant, changes only texts that have another form, and tells the cache', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const texts = ['A-1', NFC, NFD, 'A B', 'A\ufe0f-1', ' erased:x', 'A\u00a01', `x${'\u0301'.repeat(40)}`]
    for (const tenant of ['a', 'b']) {
      for (const applicantId of texts) await stores.predictions.record(asItCame({ tenant, applicantId }))
    }
    await database.sql`update predictions set features = features || ${database.sql.json({ job: 'fijo\u0301' })} where tenant = 'a'`
    await justMigrated(database)
    const remembered: Prediction[] = []
    expect(await (await textCheckOf(stores, remembered)).run(NEVER)).toBe(texts.length + 2)
    const canonical = ['A-1', NFC, NFC, 'A B', 'A\ufe0f-1', ' erased:x', 'A 1', `x${'\u0301'.repeat(40)}`]
    expect(await referencesOf(database)).toEqual([...canonical, ...canonical])
    const [row] = await database.sql`select count(*)::int as count from predictions where features->>'job' = ${'fij\u00f3'}`
    expect(row?.count).toBe(texts.length)
    expect(remembered.map(({ tenant, applicantId }) => tenant + applicantId)).toEqual([
      ...canonical.map(text => `a${text}`),
      `b${NFC}`,
      'bA 1',
    ])
  })

  it('goes on where another gateway stopped, and until then no erasure is complete', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    for (const tenant of ['a', 'b', 'default']) await stores.predictions.record(asItCame({ tenant, applicantId: NFD }))
    await justMigrated(database)
    const check = await textCheckOf(stores)
    // Before the first tenant, and its only page.
    await check.run(NEVER, 2)
    expect(await referencesOf(database)).toEqual([NFC, NFD, NFD])
    const { ErasureStore } = await import('../../src/storage/predictions/erasureStore.js')
    const erasures = new ErasureStore(stores.database, async () => {}, auditDigestWith('k'))
    const erasure = { tenant: 'default', applicantId: NFC, principal: 'desk' }
    expect(await erasures.erase(erasure)).toEqual({ count: 0, complete: false })
    await using other = storesOf(database.url)
    await (await textCheckOf(other)).run(NEVER)
    expect(await referencesOf(database)).toEqual([NFC, NFC, NFC])
    expect(await erasures.erase(erasure)).toEqual({ count: 1, complete: true })
  })

  it('leaves nothing to a later round that an erasure was asked for meanwhile', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const digest = auditDigestWith(await readAuditKey(stores.database))
    const check = await textCheckOf(stores)
    await check.run(NEVER)
    const spellings = [NFD, ` ${NFC}`, `${NFD}\u00a0`]
    for (const [i, applicantId] of [...spellings, NFC, 'Jose-17', `${NFD}8`].entries()) {
      await stores.predictions.record(asItCame({ applicantId }, `key-${i}`))
    }
    const forgotten: string[] = []
    const { ErasureStore } = await import('../../src/storage/predictions/erasureStore.js')
    const erasures = new ErasureStore(stores.database, async (_tenant, text) => void forgotten.push(text), digest)
    const erase = () => erasures.erase({ tenant: 'default', applicantId: NFC, principal: 'desk' })
    expect(await erase()).toEqual({ count: 4, complete: true })
    expect(await erase()).toEqual({ count: 0, complete: true })
    expect((await referencesOf(database)).filter(text => !text.startsWith('erased:'))).toEqual(['Jose-17', `${NFD}8`])
    expect(forgotten.sort()).toEqual([...spellings, NFC].sort())
    expect(await database.sql`select key from idempotency_keys order by key`).toMatchObject([{ key: 'key-4' }, { key: 'key-5' }])
    const audited = await database.sql`select subject from audit_entries where action = 'applicant.erased'`
    expect(new Set(audited.map(({ subject }) => subject))).toEqual(new Set([digest('default', NFC)]))
    const former = await database.sql`select former from former_references where digest = ${digest('default', NFC)}`
    expect(new Set(former.map(row => row.former))).toEqual(new Set(spellings.map(text => digest('default', text))))
    await database.sql`update text_check set round_to = '01000000-0000-0000-0000-000000000000'`
    expect(await check.run(NEVER)).toBe(1)
  })

  it('finds the decomposed form however far the clock of the older gateway is behind', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await (await textCheckOf(stores)).run(NEVER)
    await stores.predictions.record(asItCame({ applicantId: NFD }))
    await database.sql`update text_check set round_to = 'fff00000-0000-0000-0000-000000000000'`
    const { ErasureStore } = await import('../../src/storage/predictions/erasureStore.js')
    const erasures = new ErasureStore(stores.database, async () => {}, auditDigestWith('k'))
    const erasure = { tenant: 'default', applicantId: NFC, principal: 'desk' }
    expect(await erasures.erase(erasure)).toEqual({ count: 1, complete: true })
    await stores.predictions.record(asItCame({ applicantId: NFD }))
    await database.sql`update text_check set ends_at = now()`
    expect(await erasures.erase(erasure)).toEqual({ count: 0, complete: true })
  })

  it('lets several gateways run at once', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const count = 60
    await Promise.all(
      Array.from({ length: count }, (_, i) => stores.predictions.record(asItCame({ applicantId: `${NFD}/${i}` }))),
    )
    await justMigrated(database)
    const check = await textCheckOf(stores)
    await Promise.all([1, 2, 3].map(() => check.run(NEVER)))
    await check.run(NEVER)
    expect(new Set((await referencesOf(database)).map(text => text.split('/')[0]))).toEqual(new Set([NFC]))
    const [row] = await database.sql`select complete, (select count(*)::int from former_references) as former from text_check`
    expect(row).toEqual({ complete: true, former: count })
  })

  it('reads a history of several pages', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await database.sql`
      insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
      select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 5000), 12, '0') || '7000' || '8000' || lpad(to_hex(i), 12, '0'))::uuid, 'default',
        case when i % 2100 = 0 then ${NFD}::text else 'A-' || i end, 'consumer-credit', '2', 0.1, 2, false, now(), 'web-shop'
      from generate_series(1, 6300) i`
    await justMigrated(database)
    expect(await (await textCheckOf(stores)).run(NEVER)).toBe(3)
    const [row] = await database.sql`select count(*)::int as count from predictions where applicant_id = ${NFC}`
    expect(row?.count).toBe(3)
  })

  it('comes again for what an older gateway beside it stores, until none can be left', async () => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    const check = await textCheckOf(stores)
    await stores.predictions.record(asItCame({ applicantId: NFD }))
    const later = async () => {
      await database.sql`update text_check set round_to = '01000000-0000-0000-0000-000000000000'`
      return check.run(NEVER)
    }
    await check.run(NEVER)
    await stores.predictions.record(asItCame({ applicantId: `${NFD} ` }))
    expect(await check.run(NEVER)).toBe(0)
    expect(await later()).toBe(1)
    expect(await referencesOf(database)).toEqual([NFC, NFC])
    await database.sql`update text_check set ends_at = now()`
    await stores.predictions.record(asItCame({ applicantId: NFD }))
    expect(await later()).toBe(0)
  })
})
