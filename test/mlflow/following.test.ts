import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ArtifactCache } from '../../src/releases/mlflow/artifactCache.js'
import { FOLDER_LIMITS } from '../../src/releases/mlflow/downloadFolder.js'
import { mlflowLinks } from '../../src/releases/mlflow/links.js'
import { MlflowClient } from '../../src/releases/mlflow/mlflowClient.js'
import { MlflowFollower } from '../../src/releases/mlflow/mlflowFollower.js'
import { MlflowHttp } from '../../src/releases/mlflow/mlflowHttp.js'
import { RegistryDeliveries } from '../../src/releases/mlflow/registryDeliveries.js'
import type { VersionOrigin } from '../../src/releases/rollout/versionStore.js'
import { startTransport, type TransportServer } from '../security/support/transportServer.js'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/process.js'
import { allServe } from '../support/servedVersion.js'
import { type MlflowProcess, startMlflowProcess } from './mlflowProcess.js'

const MODEL = 'consumer-credit'
const SECRET = 'a-secret-of-a-webhook-of-thirty-two-bytes'
const directory = testFolder('following')

/** A follower with its door for webhooks, as a gateway has them. It is asked for the alias at its start, and then only by webhooks. */
interface Gateway extends AsyncDisposable {
  readonly follower: MlflowFollower
  readonly server: TransportServer
  /** What it took and was told, in order. */
  readonly events: string[]
  readonly origins: VersionOrigin[]
  /** Why its next version is rejected. */
  problems: string[]
  /** Ends when so many events have come. */
  seen(events: number): Promise<string[]>
}

let mlflow: MlflowProcess
const gateways: Gateway[] = []
beforeAll(async () => {
  mlflow = await startMlflowProcess(process.env.TEST_MLFLOW_PYTHON as string, join(directory, 'mlflow'))
  process.stdout.write(await mlflow.python('training/mlflow_log.py', '--mlflow', mlflow.url))
}, 240_000)
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway[Symbol.asyncDispose]()))
  await mlflow?.[Symbol.asyncDispose]()
}, 30_000)

const client = () => new MlflowClient(new MlflowHttp({ url: new URL(mlflow.url), timeoutMs: 10_000 }))
const point = (version: string) => mlflow.call('POST', 'registered-models/alias', { name: MODEL, alias: 'champion', version })
const tagsOf = async (version: string) => Object.fromEntries((await client().version({ name: MODEL, version })).tags)

async function registerWebhook(gateway: string): Promise<void> {
  await mlflow.call('POST', 'webhooks', {
    name: `riskgate-${new URL(gateway).port}`,
    url: `${gateway}/mlflow/webhook`,
    events: [
      { entity: 'MODEL_VERSION_ALIAS', action: 'CREATED' },
      { entity: 'MODEL_VERSION_ALIAS', action: 'DELETED' },
      { entity: 'MODEL_VERSION', action: 'CREATED' },
    ],
    secret: SECRET,
    status: 'ACTIVE',
  })
}

async function startFollower(cache: string): Promise<Gateway> {
  const [events, origins]: [string[], VersionOrigin[]] = [[], []]
  let waiting: (() => void) | undefined
  const tell = (event: string) => {
    events.push(event)
    waiting?.()
  }
  const follower = new MlflowFollower({
    models: [{ name: MODEL, alias: 'champion' }],
    pollMs: 3_600_000,
    client: client(),
    cache: new ArtifactCache(join(directory, cache)),
    limits: FOLDER_LIMITS,
    intake: {
      async take({ model, version, directory }, origin) {
        origins.push(origin)
        tell(`take ${model}/${version}: ${(await readdir(directory)).sort()}`)
        return { problems: gateway.problems, waitsForRestart: false }
      },
      async said(model, version) {
        tell(`champion ${model}/${version}`)
        return []
      },
    },
    reports: {
      failed: code => tell(`failed ${code}`),
      trouble: () => {},
      recovered: () => tell('recovered'),
      taken: () => {},
    },
  })
  const deliveries = new RegistryDeliveries(SECRET, name => follower.poke(name))
  const server = await startTransport({ mlflowWebhook: delivery => deliveries.receive(delivery) })
  const gateway: Gateway = {
    follower,
    server,
    events,
    origins,
    problems: [],
    async seen(count) {
      while (events.length < count) await new Promise<void>(resolve => (waiting = resolve))
      return events.splice(0)
    },
    async [Symbol.asyncDispose]() {
      await follower.stop()
      await server[Symbol.asyncDispose]()
    },
  }
  gateways.push(gateway)
  await follower.start()
  return gateway
}

const FILES = 'MODEL_CARD.md,contract.json,golden.jsonl,manifest.json,model.onnx'
const take = (version: string) => `take ${MODEL}/${version}: ${FILES}`
const champion = (version: string) => `champion ${MODEL}/${version}`

describe('two gateways that follow an alias', () => {
  it('take the version that it names at their start', async () => {
    const both = [await startFollower('one'), await startFollower('two')]
    for (const each of both) expect(await each.seen(2)).toEqual([take('2'), champion('2')])
    const [origin] = both[0]?.origins ?? []
    expect(origin).toMatchObject({ source: 'mlflow', name: MODEL, version: '2', runId: expect.stringMatching(/^[0-9a-f]{32}$/) })
    const links = mlflowLinks(origin as VersionOrigin, new URL(mlflow.url))
    expect(links?.run).toBe(`${mlflow.url}/#/runs/${(origin as { runId: string }).runId}`)
  })

  it('take another one as soon as the webhooks of MLflow tell that the alias moved', async () => {
    for (const { server } of gateways) await registerWebhook(server.url)
    await point('1')
    for (const each of gateways) expect(await each.seen(2)).toEqual([take('1'), champion('1')])
  })

  it('write into the tags of the versions what became of them', async () => {
    const [one, two] = gateways as [Gateway, Gateway]
    const checked = { 'riskgate.status': 'validated', 'riskgate.checked_at': expect.stringMatching(/Z$/) }
    // The tags are there when a poll has ended.
    await Promise.all([one.follower.poke(), two.follower.poke()])
    expect(await tagsOf('1')).toMatchObject(checked)
    const served = async (version: string) => {
      const origin = { source: 'mlflow', name: MODEL, version, runId: undefined } as const
      for (const { follower } of gateways) follower.served({ model: MODEL, version, origin })
      await Promise.all(gateways.map(({ follower }) => follower.poke()))
    }
    await served('2')
    expect([await tagsOf('1'), await tagsOf('2')]).toMatchObject([checked, { 'riskgate.status': 'serving' }])
    await served('1')
    expect([await tagsOf('1'), await tagsOf('2')]).toMatchObject([{ 'riskgate.status': 'serving' }, checked])
  })

  it('say why a version is rejected, and that it is not any more', async () => {
    const [one] = gateways as [Gateway]
    for (const each of gateways) each.problems = ['row 3 of golden.jsonl: expected 0.31, got 0.36']
    await point('2')
    for (const each of gateways) expect(await each.seen(2)).toEqual([take('2'), 'failed REJECTED'])
    await Promise.all(gateways.map(({ follower }) => follower.poke()))
    expect(await tagsOf('2')).toMatchObject({ 'riskgate.status': 'rejected', 'riskgate.reason': one.problems[0] })
    expect(await tagsOf('1')).toMatchObject({ 'riskgate.status': 'serving' })
    for (const each of gateways) each.problems = []
    await point('1')
    for (const each of gateways) expect(await each.seen(2)).toEqual([take('1'), 'recovered'])
    await point('2')
    for (const each of gateways) expect(await each.seen(2)).toEqual([take('2'), champion('2')])
    await Promise.all(gateways.map(({ follower }) => follower.poke()))
    expect(await tagsOf('2')).toMatchObject({ 'riskgate.status': 'validated', 'riskgate.reason': '' })
  })

  it('keep what they have when the alias is taken away', async () => {
    await mlflow.call('DELETE', 'registered-models/alias', { name: MODEL, alias: 'champion' })
    for (const each of gateways) expect(await each.seen(1)).toEqual(['failed NOT_FOUND'])
    await point('2')
    for (const each of gateways) expect(await each.seen(1)).toEqual(['recovered'])
  })

  it('whole gateways serve it, and the one that hears no webhook does too', async () => {
    await using database = await createTestDatabase()
    const settings = {
      RISKGATE_MLFLOW_URL: mlflow.url,
      RISKGATE_MLFLOW_MODELS: MODEL,
      RISKGATE_MLFLOW_ALIAS_EFFECT: 'decides',
      RISKGATE_MLFLOW_POLL_SECONDS: '3600',
      RISKGATE_MLFLOW_WEBHOOK_SECRET: SECRET,
    }
    await using one = await startGateway(settings, database)
    await using two = await startGateway(settings, database)
    await allServe([one, two], '2')
    await registerWebhook(one.url)
    for (const version of ['1', '2']) {
      const movedAt = performance.now()
      await point(version)
      await allServe([one, two], version)
      process.stdout.write(
        `both gateways serve version ${version} ${Math.round(performance.now() - movedAt)} ms after the alias moved\n`,
      )
      await until(async () => (await tagsOf(version))['riskgate.status'] === 'serving')
    }
    for (const each of gateways) expect(await each.seen(4)).toEqual([take('1'), champion('1'), take('2'), champion('2')])
  })

  it('a gateway that starts while MLflow is away has what the one before it had', async () => {
    await mlflow[Symbol.asyncDispose]()
    const again = await startFollower('one')
    expect(await again.seen(2)).toEqual([take('2'), 'failed UNREACHABLE'])
    expect(again.origins).toMatchObject([{ version: '2' }])
  })
})
