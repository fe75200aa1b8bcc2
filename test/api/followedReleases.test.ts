import { cp, mkdir, mkdtemp, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import {
  ModelChecksDocument,
  PredictionVersionsDocument,
  PromoteModelVersionDocument,
  ReleaseChangesDocument,
  RollbackModelDocument,
  SetTrafficSplitDocument,
  VersionComparisonDocument,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { score } from '../support/stored.js'

const BUNDLED = new URL('../../models/consumer-credit', import.meta.url).pathname
const MODEL = 'consumer-credit'
const reason = 'a test'

let models: string
let database: TestDatabase
let gateways: TestGateway[]
beforeEach(async () => {
  models = await mkdtemp(join(tmpdir(), 'riskgate-models-'))
  await cp(BUNDLED, join(models, MODEL), { recursive: true })
  database = await createTestDatabase()
  gateways = []
})
afterEach(async () => {
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  await rm(models, { recursive: true, force: true })
})

const file = (...path: string[]) => join(models, MODEL, ...path)

async function start(directory = models, environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await startGateway({ RISKGATE_MODELS_DIR: directory, ...environment }, database)
  gateways.push(gateway)
  return gateway
}

async function stopAll(): Promise<void> {
  for (const gateway of gateways.splice(0)) await gateway[Symbol.asyncDispose]()
}

async function versionsOf(gateway: TestGateway) {
  const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
  const { models } = await manager.data(ModelChecksDocument, {})
  return present(models.find(({ name }) => name === MODEL)).versions
}

async function stagesOf(gateway: TestGateway): Promise<Record<string, string>> {
  return Object.fromEntries((await versionsOf(gateway)).map(({ version, stage }) => [version, stage]))
}

const isChampion = async (gateway: TestGateway, version: string) => (await stagesOf(gateway))[version] === 'CHAMPION'
const championIs = (version: string, ...of: TestGateway[]) =>
  until(async () => (await Promise.all(of.map(gateway => isChampion(gateway, version)))).every(Boolean))

async function promote(gateway: TestGateway, version: string): Promise<void> {
  const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
  await manager.data(PromoteModelVersionDocument, { input: { model: MODEL, version, reason } })
}

/** The version that scores an applicant, as the answer says. */
async function scoredBy({ url }: TestGateway, applicantId = 'somebody', features = LOW_RISK): Promise<string> {
  const authorization = `Bearer ${await signToken({ roles: ['SCORER'] })}`
  const answer = await fetch(`${url}/api/predict`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, applicantId, features }),
  })
  return ((await answer.json()) as { modelVersion: string }).modelVersion
}

async function warningsOf({ url }: TestGateway): Promise<string[]> {
  return ((await (await fetch(`${url}/readyz`)).json()) as { warnings?: string[] }).warnings ?? []
}

/** Another version of the bundled graph, with bands of its own. */
async function copyVersion(from: string, version: string): Promise<void> {
  const arriving = join(models, `.${version}`)
  await cp(file(from), arriving, { recursive: true })
  await changeJson(join(arriving, 'manifest.json'), manifest => ({ ...manifest, version }))
  await rename(arriving, file(version))
}

async function changeJson(path: string, change: (json: Record<string, unknown>) => object): Promise<void> {
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))))
}

/** Names the champion of the folder, at a time in seconds from now. */
async function nameChampion(version: string, seconds = 0, folder = models): Promise<void> {
  const champion = join(folder, MODEL, 'champion')
  await writeFile(champion, `${version}\n`)
  const time = new Date(Date.now() + seconds * 1_000)
  await utimes(champion, time, time)
}

describe('two replicas', () => {
  it('serve what either of them is told, within a second, also after a restart', async () => {
    const [one, other] = [await start(), await start()]
    expect([await scoredBy(one), await scoredBy(other)]).toEqual(['2', '2'])
    await promote(other, '1')
    await championIs('1', one, other)
    expect([await scoredBy(one), await scoredBy(other)]).toEqual(['1', '1'])
    const manager = await one.as({ roles: ['MODEL_MANAGER'] })
    const startedAt = performance.now()
    await manager.data(RollbackModelDocument, { input: { model: MODEL, reason } })
    await championIs('2', one, other)
    process.stdout.write(`a rollback reached two replicas after ${(performance.now() - startedAt).toFixed(0)} ms\n`)
    await promote(one, '1')
    await stopAll()
    // The folder still names version 2.
    const again = await start()
    expect(await scoredBy(again)).toBe('1')
    expect(await warningsOf(again)).toEqual([])
  })

  it('are not changed back by the older folder of one of them', async () => {
    await nameChampion('1', -600)
    const old = await start()
    expect(await scoredBy(old)).toBe('1')
    const newer = `${models}-newer`
    await cp(models, newer, { recursive: true })
    await nameChampion('2', -300, newer)
    const [upgraded] = [await start(newer)]
    await championIs('2', old, upgraded)
    await stopAll()
    expect(await scoredBy(await start())).toBe('2')
    await rm(newer, { recursive: true })
  })
})

describe('the models folder, while a gateway runs', () => {
  it('brings a new version, and another champion', async () => {
    const gateway = await start()
    await copyVersion('1', '3')
    await until(async () => (await stagesOf(gateway))['3'] === 'CANDIDATE')
    expect(await scoredBy(gateway)).toBe('2')
    await nameChampion('3')
    await championIs('3', gateway)
    expect(await scoredBy(gateway)).toBe('3')
    const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
    const { releaseChanges } = await manager.data(ReleaseChangesDocument, { model: MODEL })
    expect(releaseChanges.nodes[0]).toMatchObject({ action: 'PROMOTE', proposedBy: 'folder', state: 'APPLIED' })
  })

  it('does not take away what serves, whatever becomes of it', async () => {
    const gateway = await start()
    await score(await gateway.as({ roles: ['SCORER'] }), 'before')
    await writeFile(file('2', 'model.onnx'), 'garbage')
    await until(async () => (await versionsOf(gateway)).some(({ version, warnings }) => version === '2' && warnings?.length))
    expect(await versionsOf(gateway)).toContainEqual(
      expect.objectContaining({
        version: '2',
        stage: 'CHAMPION',
        problems: [],
        warnings: [expect.stringContaining('does not have the SHA-256 of its manifest')],
      }),
    )
    await rm(models, { recursive: true })
    expect(await scoredBy(gateway)).toBe('2')
    await stopAll()
    const again = await start()
    expect(await scoredBy(again)).toBe('2')
    const analyst = await again.as({ roles: ['ANALYST'] })
    const { predictions } = await analyst.data(PredictionVersionsDocument, {})
    for (const { modelVersion } of predictions.nodes) {
      expect(modelVersion).toMatchObject({ version: '2', stage: 'CHAMPION', digest: expect.any(String), problems: [] })
      expect(modelVersion.bands).toHaveLength(8)
    }
  })

  it('puts back what the version store has lost', async () => {
    await database.sql`update model_files set bytes = set_byte(bytes, 100, (get_byte(bytes, 100) + 1) % 256)`
    await stopAll()
    const [lost] = await database.sql`delete from model_files where sha256 = (select sha256 from model_files limit 1) returning 1`
    expect(lost).toBeDefined()
    expect(await scoredBy(await start())).toBe('2')
    await rm(models, { recursive: true })
    await stopAll()
    expect(await scoredBy(await start())).toBe('2')
  })

  it('is heard after the database was away', async () => {
    const gateway = await start()
    const { name, url } = database
    const server = postgres(new URL('/postgres', url).href, { max: 1, onnotice: () => {} })
    await server.unsafe(`alter database ${name} allow_connections false`)
    await server`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
    await nameChampion('1')
    await until(
      async () => (await metric(gateway, 'riskgate_upkeep_runs_total', { task: 'models folder', result: 'failed' })) !== 0,
    )
    await server.unsafe(`alter database ${name} allow_connections true`)
    await server.end()
    await championIs('1', gateway)
  })

  it('does not serve bands that were changed in the version store by hand', async () => {
    const gateway = await start()
    const forged = '[0.93,0.94,0.95,0.96,0.97,0.98,0.99]'
    await database.sql`
      update model_versions set revision = revision + 1, manifest = jsonb_set(manifest::jsonb, '{bands,cutoffs}', ${forged}::text::jsonb)::text
      where version = '2'`
    await database.sql`update release_revision set revision = revision + 1`
    const bandOf = async (of: TestGateway) => (await score(await of.as({ roles: ['SCORER'] }), 'true bands', HIGH_RISK)).band
    // Two rounds of the follower.
    await sleep(600)
    expect(await bandOf(gateway)).toBe('T8')
    await stopAll()
    expect(await bandOf(await start())).toBe('T8')
  })

  it('keeps the champion where it names a broken one, and says so', async () => {
    const gateway = await start()
    await copyVersion('2', '3')
    await changeJson(file('3', 'manifest.json'), ({ onnx, ...rest }) => ({
      ...rest,
      onnx: { ...(onnx as object), output: { name: 'probabilities', column: 0 } },
    }))
    await nameChampion('3')
    await until(async () => (await stagesOf(gateway))['3'] === 'REJECTED')
    expect(await scoredBy(gateway)).toBe('2')
    await stopAll()
    expect(await scoredBy(await start())).toBe('2')
  })

  it('cannot change the answers of a version that has served', async () => {
    const gateway = await start()
    await changeJson(file('2', 'manifest.json'), manifest => ({
      ...manifest,
      bands: { cutoffs: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07], highRiskFrom: 'T2' },
    }))
    await until(async () => (await versionsOf(gateway)).some(({ version, warnings }) => version === '2' && warnings?.length))
    const [, champion] = await versionsOf(gateway)
    expect(champion?.warnings).toEqual([expect.stringContaining('Give this one another name.')])
    const { band } = await score(await gateway.as({ roles: ['SCORER'] }), 'the same bands', LOW_RISK)
    expect(band).toBe('T2')
  })

  it('may improve what does not decide answers', async () => {
    const gateway = await start()
    await changeJson(file('2', 'manifest.json'), manifest => ({
      ...manifest,
      metrics: [{ name: 'auc', value: 0.5, dataset: 'another' }],
    }))
    const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
    const metrics = async () =>
      (await manager.data(ModelChecksDocument, {})).models[0]?.versions.find(({ version }) => version === '2')?.warnings
    await until(async () => {
      const [row] = await database.sql`select manifest from model_versions where version = '2'`
      return String(row?.manifest).includes('another')
    })
    expect(await metrics()).toEqual([])
    expect(await scoredBy(gateway)).toBe('2')
  })
})

describe('contracts', () => {
  const withFeature = (required: boolean) =>
    changeJson(file('contract.json'), ({ features, ...rest }) => ({
      ...rest,
      features: [...(features as object[]), { name: 'children', kind: 'INTEGER', required }],
    }))

  it('that cannot be read leave the stored one in place', async () => {
    await start()
    await stopAll()
    await writeFile(file('contract.json'), '[]')
    expect(await scoredBy(await start())).toBe('2')
  })

  it('a new model serves after a restart', async () => {
    const gateway = await start()
    const other = join(models, 'mortgage')
    await mkdir(other)
    await changeJson(file('contract.json'), json => json)
    await cp(join(models, MODEL), other, { recursive: true })
    await changeJson(join(other, 'contract.json'), json => ({ ...json, name: 'mortgage', inputField: 'mortgage' }))
    for (const version of ['1', '2']) {
      await changeJson(join(other, version, 'manifest.json'), json => ({ ...json, model: 'mortgage' }))
    }
    const names = async (of: TestGateway) =>
      (await (await of.as({ roles: ['MODEL_MANAGER'] })).data(ModelChecksDocument, {})).models.map(({ name }) => name)
    expect(await names(gateway)).toEqual([MODEL])
    await stopAll()
    expect(await names(await start())).toEqual([MODEL, 'mortgage'])
  })

  it('with a new optional feature: the version that uses it is refused until the restart', async () => {
    const gateway = await start()
    await withFeature(false)
    await copyVersion('2', '3')
    await changeJson(file('3', 'manifest.json'), json => ({ ...json, unused: ['children'] }))
    await until(async () => (await stagesOf(gateway))['3'] === 'REJECTED')
    const [rejected] = (await versionsOf(gateway)).filter(({ version }) => version === '3')
    expect(rejected?.problems).toEqual([expect.stringMatching(/"unused" has children, which the contract does not have/)])
    await stopAll()
    const again = await start()
    expect(await stagesOf(again)).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION', 3: 'CANDIDATE' })
    expect((await versionsOf(again)).flatMap(({ warnings }) => warnings)).toEqual([])
    await stopAll()
    // Now the contract of the store has grown, too.
    expect(await stagesOf(await start())).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION', 3: 'CANDIDATE' })
  })
})

describe('challenger and shadow', () => {
  it('a shadow scores what the champion has answered, and the two can be compared', async () => {
    const gateway = await start()
    const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
    const split = { model: MODEL, shadow: { version: '1', share: 1 }, reason }
    await manager.data(SetTrafficSplitDocument, { input: split })
    await until(async () => (await stagesOf(gateway))['1'] === 'SHADOW')
    for (let i = 0; i < 10; i++) {
      expect(await scoredBy(gateway, `applicant-${i}`, i % 2 ? LOW_RISK : HIGH_RISK)).toBe('2')
    }
    await shadowScores(10)
    expect(await comparison(manager)).toMatchObject({ rows: 10, complete: true })
  })

  it('a challenger answers its share; both are compared on the applications of either', async () => {
    const gateway = await start()
    const manager = await gateway.as({ roles: ['MODEL_MANAGER'] })
    await manager.data(SetTrafficSplitDocument, {
      input: { model: MODEL, challenger: { version: '1', share: 0.5 }, reason },
    })
    await until(async () => (await stagesOf(gateway))['1'] === 'CHALLENGER')
    const versions = new Map<string, string>()
    for (let i = 0; i < 40; i++) {
      const name = `applicant-${i % 20}`
      const version = await scoredBy(gateway, name)
      expect(versions.get(name) ?? version).toBe(version)
      versions.set(name, version)
    }
    expect(new Set(versions.values()).size).toBe(2)
    await shadowScores(40)
    expect(await comparison(manager)).toMatchObject({ rows: 40 })
  })

  async function shadowScores(count: number): Promise<void> {
    await until(async () => {
      const [row] = await database.sql<{ count: number }[]>`select count(*)::int from shadow_scores`
      return row?.count === count
    })
  }

  async function comparison(manager: GraphqlClient) {
    const range = { from: new Date(Date.now() - 3_600_000).toISOString(), to: new Date(Date.now() + 3_600_000).toISOString() }
    const asked = { model: MODEL, version: '1', against: '2', ...range }
    return (await manager.data(VersionComparisonDocument, asked)).versionComparison
  }
})
