import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ModelFileStore } from '../../src/storage/releases/modelFileStore.js'
import { PostgresRolloutStore } from '../../src/storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { digestOf, newReport, newVersion, rejectedVersion } from '../support/releases.js'
import { newPrediction, storesOf, type TestStores } from '../support/stores.js'

const OTHER_BANDS = { bands: { cutoffs: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], highRiskFrom: 'T7' as const } }
const ACTOR = { tenant: 'default', principal: 'manager' }

describe('the version store', () => {
  let database: TestDatabase
  let gateways: readonly [TestStores, TestStores]
  let stores: readonly [PostgresVersionStore, PostgresVersionStore]
  let store: PostgresVersionStore
  let rollouts: PostgresRolloutStore
  beforeAll(async () => {
    database = await createTestDatabase()
    gateways = [storesOf(database.url), storesOf(database.url)]
    stores = [new PostgresVersionStore(gateways[0].database), new PostgresVersionStore(gateways[1].database)]
    store = stores[0]
    rollouts = new PostgresRolloutStore(gateways[0].database)
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  const found = async (version: string) => present((await store.state()).versions.find(stored => stored.version === version))
  const makeChampion = async (version: string) => {
    const before = await rollouts.read('consumer-credit')
    const relyingOn = before.versions.filter(stored => stored.version === version)
    const change = { model: 'consumer-credit', request: { action: 'PROMOTE', version } as const, reason: 'test', actor: ACTOR }
    return rollouts.apply({ before, relyingOn, next: { ...before.rollout, champion: version } }, change)
  }

  it('gives back what was put, parsed, with the text of the report as it was signed', async () => {
    const report = newReport({ version: 'whole', warnings: ['With \u0000 and é.'], answers: [0.1, 1 / 3] })
    const version = newVersion({
      version: 'whole',
      report,
      signature: 'ab',
      origin: { source: 'mlflow', name: 'n', version: '7', runId: 'r' },
    })
    expect(await store.put(version)).toBe(true)
    const stored = await found('whole')
    expect(JSON.stringify(stored.report)).toBe(JSON.stringify(report))
    expect(stored).toMatchObject({ signature: 'ab', origin: version.origin, files: version.files })
    expect(stored.contract?.features.map(({ name }) => name)).toContain('income')
    expect(stored.manifest?.bands.cutoffs).toHaveLength(7)
    for (const file of version.files) expect(digestOf(await store.readFile(file.sha256))).toBe(file.sha256)
  })

  it('is polled by one number, which grows with each change and only then', async () => {
    const version = newVersion({ version: 'polled' })
    const before = await store.revision()
    await store.put(version)
    const after = await store.revision()
    expect(after).not.toBe(before)
    await store.put(version)
    expect(await store.revision()).toBe(after)
    expect((await store.state()).revision).toBe(after)
    await store.put(newVersion({ version: 'polled', report: { warnings: ['newer'] } }))
    expect(await store.revision()).not.toBe(after)
  })

  it('gives the same object for a version that has not changed, and another one for a newer report', async () => {
    await store.put(newVersion({ version: 'same' }))
    const before = await found('same')
    await store.put(newVersion({ version: 'other' }))
    expect(await found('same')).toBe(before)
    await store.put(newVersion({ version: 'same', report: { warnings: ['newer'] } }))
    expect((await found('same')).report.warnings).toEqual(['newer'])
  })

  it('takes the same version from two gateways at once, and reads stored files no more', async () => {
    const both = await Promise.all(
      stores.map(each => each.put(newVersion({ version: 'twice', more: { 'model.onnx': randomBytes(3e6) } }))),
    )
    expect(both).toEqual([true, true])
    const again = newVersion({ version: 'twice' })
    await store.put(again)
    expect(again.reads.sort()).toEqual(['contract.json', 'manifest.json'])
  })

  it('stores a file of 20 MiB in parts, each in a short statement', async () => {
    const bytes = randomBytes(20 * 1024 * 1024)
    const files = new ModelFileStore(gateways[0].database)
    await files.store([{ name: 'model.onnx', sha256: digestOf(bytes) }], async () => bytes)
    const [row] = await database.sql<{ parts: number; largest: number }[]>`
      select count(*)::int as parts, max(length(bytes)) as largest from model_files where sha256 = ${digestOf(bytes)}`
    expect(row).toEqual({ parts: 20, largest: 1024 * 1024 })
    expect(digestOf(await files.read(digestOf(bytes)))).toBe(digestOf(bytes))
  })

  it('goes on with a file of which only some parts were stored', async () => {
    const bytes = randomBytes(2_500_000)
    const files = new ModelFileStore(gateways[0].database)
    const file = { name: 'model.onnx', sha256: digestOf(bytes) }
    await files.store([file], async () => bytes)
    await database.sql`delete from model_files where sha256 = ${file.sha256} and part = 1`
    await expect(files.read(file.sha256)).rejects.toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
    await files.store([file], async () => bytes)
    expect(digestOf(await files.read(file.sha256))).toBe(file.sha256)
  })

  it('reads a small file once, and a large one each time', async () => {
    const files = new ModelFileStore(gateways[0].database)
    for (const [size, isKept] of [
      [200_000, true],
      [9_000_000, false],
    ] as const) {
      const bytes = randomBytes(size)
      const file = { name: 'model.onnx', sha256: digestOf(bytes) }
      await files.store([file], async () => bytes)
      const first = await files.read(file.sha256)
      expect((await files.read(file.sha256)) === first).toBe(isKept)
    }
  })

  it('keeps an empty file, and refuses one that is not what its digest says', async () => {
    const files = new ModelFileStore(gateways[0].database)
    const empty = { name: 'model.onnx.data', sha256: digestOf(Buffer.alloc(0)) }
    await files.store([empty], async () => Buffer.alloc(0))
    expect(await files.read(empty.sha256)).toHaveLength(0)
    await expect(files.store([{ name: 'x', sha256: 'f'.repeat(64) }], async () => Buffer.alloc(1))).rejects.toThrow(
      'x has changed',
    )
  })

  it('takes other answers of a version that has never served, and a rejection of it', async () => {
    await store.put(newVersion({ version: 'unused' }))
    expect(await store.put(newVersion({ version: 'unused', manifest: OTHER_BANDS }))).toBe(true)
    expect(await store.put(rejectedVersion('unused', 'broken'))).toBe(true)
    expect(await found('unused')).toMatchObject({ manifest: undefined, files: [], report: { problems: ['broken'] } })
  })

  it('refuses other answers of a version that has served, and takes a newer report of the same', async () => {
    await store.put(newVersion({ version: 'served' }))
    await makeChampion('served')
    await store.put(newVersion({ version: 'next' }))
    await makeChampion('next')
    expect(await store.put(newVersion({ version: 'served', manifest: OTHER_BANDS }))).toBe(false)
    expect(await store.put(rejectedVersion('served', 'broken'))).toBe(false)
    expect(await store.put(newVersion({ version: 'served', report: { warnings: ['newer'] } }))).toBe(true)
    expect((await found('served')).report.warnings).toEqual(['newer'])
  })

  it('refuses other answers of a version that made a prediction before it was stored, in whatever tenant', async () => {
    await gateways[0].predictions.record(newPrediction({ tenant: 'a' }))
    await gateways[0].predictions.record(newPrediction({ tenant: 'zz', modelVersion: 'old' }))
    expect(await store.put(newVersion({ version: 'old' }))).toBe(true)
    expect(await store.put(newVersion({ version: 'old', manifest: OTHER_BANDS }))).toBe(false)
  })

  it('finds such a prediction behind those of hundreds of other tenants', async () => {
    await gateways[0].predictions.record(newPrediction({ tenant: 'z-last', modelVersion: 'rare' }))
    const { prediction } = newPrediction()
    await database.sql`
      insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
      select ${prediction.id}, 'tenant-' || i, 'x', 'consumer-credit', '2', 0.5, 7, true, ${prediction.createdAt}, 'shop'
      from generate_series(1, 450) i`
    await store.put(newVersion({ version: 'rare' }))
    expect(await store.put(newVersion({ version: 'rare', manifest: OTHER_BANDS }))).toBe(false)
    await store.put(newVersion({ version: 'never' }))
    expect(await store.put(newVersion({ version: 'never', manifest: OTHER_BANDS }))).toBe(true)
  })

  it('does not make a version champion whose report was replaced meanwhile', async () => {
    await store.put(newVersion({ version: 'raced' }))
    const before = await rollouts.read('consumer-credit')
    const relyingOn = before.versions.filter(({ version }) => version === 'raced')
    await store.put(rejectedVersion('raced', 'broken'))
    const change = {
      model: 'consumer-credit',
      request: { action: 'PROMOTE', version: 'raced' } as const,
      reason: 'test',
      actor: ACTOR,
    }
    expect(await rollouts.apply({ before, relyingOn, next: { ...before.rollout, champion: 'raced' } }, change)).toBeUndefined()
    expect((await rollouts.read('consumer-credit')).rollout).toEqual(before.rollout)
  })
})
