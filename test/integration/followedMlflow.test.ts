import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { ModelReleasesDocument, ReleaseChangesDocument, RollbackModelDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { deliverAlias, type MlflowRegistry, startRegistry } from '../support/mlflowRegistry.js'
import { filesIn } from '../support/mlflowServer.js'
import { until } from '../support/process.js'
import { allServe, versionOf } from '../support/servedVersion.js'

const MODEL = 'consumer-credit'
// The name in MLflow need not be that of the model.
const NAME = 'credit'
const SECRET = 'the-secret-of-the-webhook-in-mlflow'
const BUNDLED = `models/${MODEL}`
const root = testFolder('followed')
const bundleOf = (version: string) => ({
  ...filesIn(join(BUNDLED, version), 'extra_files/'),
  'extra_files/contract.json': readFileSync(join(BUNDLED, 'contract.json')),
})

let registry: MlflowRegistry
let database: TestDatabase
let gateways: TestGateway[]
beforeEach(async () => {
  registry = await startRegistry(NAME, { '1': bundleOf('1'), '2': bundleOf('2') })
  database = await createTestDatabase()
  gateways = []
})
afterEach(async () => {
  await Promise.all(gateways.map(gateway => gateway[Symbol.asyncDispose]()))
  await database[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

/** A gateway that asks MLflow at its start, and then only when it is told to. */
async function start(environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await startGateway(
    {
      RISKGATE_MLFLOW_URL: registry.url,
      RISKGATE_MLFLOW_MODELS: NAME,
      RISKGATE_MLFLOW_POLL_SECONDS: '3600',
      RISKGATE_MLFLOW_WEBHOOK_SECRET: SECRET,
      RISKGATE_MLFLOW_ALIAS_EFFECT: 'decides',
      ...environment,
    },
    database,
  )
  gateways.push(gateway)
  return gateway
}

/** A models folder with these versions, or with none at all. */
function modelsFolder(...versions: string[]): Record<string, string> {
  const folder = join(root, versions.join('-') || 'none')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, MODEL), { recursive: true })
  for (const name of [...versions, ...(versions.length > 0 ? ['contract.json', 'champion'] : [])]) {
    cpSync(join(BUNDLED, name), join(folder, MODEL, name), { recursive: true })
  }
  return { RISKGATE_MODELS_DIR: folder }
}

const serves = (version: string) => allServe(gateways, version)
const tagged = (version: string, status: string) => until(() => registry.tags[version]?.['riskgate.status'] === status)
const managerOf = (gateway: TestGateway) => gateway.as({ roles: ['MODEL_MANAGER'] })

describe('two gateways that follow an alias which decides', () => {
  it('serve what it names, as soon as one of them is told that it moved, and MLflow is told so', async () => {
    registry.point('2')
    const [one] = [await start(modelsFolder('1', '2')), await start(modelsFolder('1', '2'))]
    await serves('2')
    await tagged('2', 'serving')
    registry.point('1')
    expect(await deliverAlias(one.url, NAME, 'another')).toBe(401)
    expect(await deliverAlias(one.url, NAME, SECRET)).toBe(200)
    await serves('1')
    await tagged('1', 'serving')
    await tagged('2', 'validated')
    const { releaseChanges } = await (await managerOf(one)).data(ReleaseChangesDocument, { model: MODEL })
    expect(releaseChanges.nodes[0]).toMatchObject({ action: 'PROMOTE', state: 'APPLIED' })
    expect([await metric(one, 'riskgate_mlflow_up'), await metric(one, 'riskgate_mlflow_in_step')]).toEqual([1, 1])
  })

  it('do not take a rollback back, also not after a restart', async () => {
    registry.point('2')
    const one = await start(modelsFolder('1', '2'))
    await serves('2')
    registry.point('1')
    await deliverAlias(one.url, NAME, SECRET)
    await serves('1')
    await (await managerOf(one)).data(RollbackModelDocument, { input: { model: MODEL, reason: 'Too many false alarms.' } })
    await serves('2')
    const two = await start(modelsFolder('1', '2'))
    await until(async () => (await metric(two, 'riskgate_mlflow_in_step')) === 1)
    await serves('2')
  })
})

it('an alias that proposes leaves the decision to a person', async () => {
  registry.point('1')
  const gateway = await start({ ...modelsFolder('2'), RISKGATE_MLFLOW_ALIAS_EFFECT: 'proposes' })
  const manager = await managerOf(gateway)
  const changes = async () => (await manager.data(ReleaseChangesDocument, { model: MODEL })).releaseChanges.nodes
  await until(async () => (await changes()).some(({ state }) => state === 'PROPOSED'), 30_000)
  await tagged('1', 'validated')
  expect(await versionOf(gateway)).toBe('2')
})

describe('an installation whose models are all in MLflow', () => {
  // That of other tests has the bundled versions.
  beforeEach(async () => {
    await database[Symbol.asyncDispose]()
    database = await createDatabase()
  })

  it('starts with what the alias names, and again while MLflow is away', async () => {
    registry.point('2')
    const gateway = await start(modelsFolder())
    expect(await versionOf(gateway)).toBe('2')
    const { model } = await (await managerOf(gateway)).data(ModelReleasesDocument, { name: MODEL })
    const [url, runUrl] = [`${registry.url}#/models/${NAME}/versions/2`, `${registry.url}#/runs/run-2`]
    const origin = { source: 'MLFLOW', name: NAME, version: '2', runId: 'run-2', url, runUrl }
    expect(model?.versions).toMatchObject([{ version: '2', origin, report: { problems: [] } }])
    registry.isAway = true
    expect(await versionOf(await start(modelsFolder()))).toBe('2')
  })

  it('does not start for the first time while MLflow is away', async () => {
    registry.isAway = true
    await expect(start(modelsFolder())).rejects.toThrow('can serve')
  })
})
