import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { text as streamed } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AcceptedDeliveries } from '../../src/releases/mlflow/acceptedDeliveries.js'
import { MlflowClient } from '../../src/releases/mlflow/mlflowClient.js'
import { MlflowHttp } from '../../src/releases/mlflow/mlflowHttp.js'
import { refusalOf } from '../../src/releases/mlflow/refusals.js'
import { verifyDelivery } from '../../src/releases/mlflow/webhookDelivery.js'
import { testFolder } from '../support/folder.js'
import { runCommand } from '../support/gatewayProcess.js'
import { type Received, startReceiver } from '../support/receiver.js'
import { type MlflowProcess, startMlflowProcess } from './mlflowProcess.js'

const BUNDLED = 'models/consumer-credit'
const SECRET = 'a-secret-of-a-webhook'
const directory = testFolder('mlflow')
const models = join(directory, 'models')

let mlflow: MlflowProcess
beforeAll(async () => {
  mlflow = await startMlflowProcess(process.env.TEST_MLFLOW_PYTHON as string, join(directory, 'mlflow'))
  process.stdout.write(await mlflow.python('training/mlflow_log.py'))
}, 240_000)
afterAll(() => mlflow?.[Symbol.asyncDispose](), 30_000)

const settings = () => ({
  RISKGATE_MLFLOW_URL: mlflow.url,
  RISKGATE_STATE_DIR: join(directory, 'state'),
  RISKGATE_MODELS_DIR: models,
})
const fetchModel = (uri: string) => runCommand(['model', 'fetch', uri], settings())
const client = () => new MlflowClient(new MlflowHttp({ url: new URL(mlflow.url), timeoutMs: 10_000 }))

function contentsOf(folder: string): [string, Buffer][] {
  return readdirSync(folder)
    .sort()
    .map(name => [name, readFileSync(join(folder, name))])
}

function expectSame(folder: string, other: string): void {
  const [ours, theirs] = [contentsOf(folder), contentsOf(other)]
  expect(ours.map(([name]) => name)).toEqual(theirs.map(([name]) => name))
  for (const [i, [name, bytes]] of ours.entries()) expect(bytes.equals(theirs[i]?.[1] as Buffer), name).toBe(true)
}

describe('the bundled model, logged by training/mlflow_log.py', () => {
  it('has its figures, its parameters and its card in runs, and the champion by its alias', async () => {
    const version = await client().version({ name: 'consumer-credit', alias: 'champion' })
    expect(version).toMatchObject({ version: '2', status: 'READY', tags: new Map([['riskgate.version', '2']]) })
    expect(version.source).toMatch(/^models:\/m-/)
    const { metrics } = JSON.parse(readFileSync(`${BUNDLED}/2/manifest.json`, 'utf8'))
    const answer = await fetch(`${mlflow.url}/api/2.0/mlflow/runs/get?run_id=${version.runId}`)
    const found = (await answer.json()) as { run: { data: { metrics: { value: number }[]; params: unknown[] } } }
    const logged = found.run.data.metrics.map(({ value }) => value)
    expect(logged.sort()).toEqual(metrics.map(({ value }: { value: number }) => value).sort())
    expect(found.run.data.params.length).toBeGreaterThan(3)
    expect((await client().versions('consumer-credit')).map(({ version }) => version)).toEqual(['2', '1'])
    expect((await client().registeredModels()).map(({ name }) => name)).toEqual(['consumer-credit'])
  })

  it('comes by alias into an empty models folder, byte for byte, and passes the checks', async () => {
    const { status, stdout } = await fetchModel('models:/consumer-credit@champion')
    expect(stdout).toContain('is version 2 of consumer-credit, of the run ')
    expect(stdout).toMatch(/^ok +consumer-credit\/2 +CHAMPION: 11 features$/m)
    expect(status).toBe(0)
    expectSame(join(models, 'consumer-credit/2'), `${BUNDLED}/2`)
    expect(readFileSync(join(models, 'consumer-credit/contract.json'))).toEqual(readFileSync(`${BUNDLED}/contract.json`))
  })

  it('follows the alias when it moves', async () => {
    await mlflow.call('POST', 'registered-models/alias', { name: 'consumer-credit', alias: 'champion', version: '1' })
    const { status, stdout } = await fetchModel('models:/consumer-credit@champion')
    expect(stdout).toMatch(/^ok +consumer-credit\/1 +CANDIDATE: 11 features$/m)
    expect(status).toBe(0)
    expectSame(join(models, 'consumer-credit/1'), `${BUNDLED}/1`)
    expectSame(join(models, 'consumer-credit/2'), `${BUNDLED}/2`)
  })

  it('gets a tag, and has it', async () => {
    const version = { name: 'consumer-credit', version: '2' }
    await client().setTag(version, 'riskgate.status', 'serving')
    expect((await client().version(version)).tags.get('riskgate.status')).toBe('serving')
  })

  it.each([
    ['models:/consumer-credit@nope', 'riskgate: The model consumer-credit has no alias nope in MLflow.'],
    ['models:/consumer-credit/99', 'riskgate: MLflow does not have version 99 of the model consumer-credit.'],
    ['models:/nope@champion', 'riskgate: MLflow does not have the model nope.'],
  ])('is refused as %s', async (uri, says) => {
    const { status, stderr } = await fetchModel(uri)
    expect([status, stderr]).toEqual([1, expect.stringContaining(says)])
  })

  it('is refused under a name that the server does not know itself by, with what to do', async () => {
    const { status, contentType, text } = await askedAs('mlflow.example')
    expect(status).toBe(403)
    const { message } = refusalOf({ status, contentType, text, location: null }, new URL('http://mlflow.example:5000'), [])
    expect(message).toContain('Start it with --allowed-hosts mlflow.example:5000.')
  })
})

/** What the server answers to a call with this Host header, which `fetch` does not send. */
async function askedAs(host: string) {
  const call = get(`${mlflow.url}/api/2.0/mlflow/registered-models/search`, { headers: { host } })
  const [response] = await once(call, 'response')
  return { status: response.statusCode, contentType: String(response.headers['content-type']), text: await streamed(response) }
}

it('a graph that was logged alone becomes a version by model init, with the columns in the order of its signature', async () => {
  await mlflow.python('test/mlflow/log_plain.py', 'test/fixtures/onnx/double.onnx', directory)
  const { status, stdout, stderr } = await runCommand(['model', 'init', '--from-mlflow', 'models:/Loans_v2/1'], settings())
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^ok +loans-v2\/1 +CHAMPION: 2 features$/m)
  expect(status).toBe(0)
  const { features } = JSON.parse(readFileSync(join(models, 'loans-v2/contract.json'), 'utf8'))
  expect(features.map(({ name }: { name: string }) => name)).toEqual(['amount', 'countOfLoans'])
})

it('a move of the alias is told by a signed webhook, which is verified once', async () => {
  await using receiver = await startReceiver()
  await mlflow.call('POST', 'webhooks', {
    name: 'riskgate',
    url: receiver.url,
    events: [{ entity: 'MODEL_VERSION_ALIAS', action: 'CREATED' }],
    secret: SECRET,
    status: 'ACTIVE',
  })
  await mlflow.call('POST', 'registered-models/alias', { name: 'consumer-credit', alias: 'champion', version: '2' })
  const [call] = await receiver.received(1)
  const accepted = new AcceptedDeliveries()
  const verify = ({ headers, body }: Received, secret = SECRET) => {
    const { 'x-mlflow-delivery-id': id, 'x-mlflow-timestamp': timestamp, 'x-mlflow-signature': signature } = headers
    const delivery = { id, timestamp, signature, body: Buffer.from(body) } as Parameters<typeof verifyDelivery>[0]
    const nowMs = Date.now()
    return verifyDelivery(delivery, { secrets: [secret], nowMs, isKnown: each => accepted.isKnown(each, nowMs) })
  }
  expect(verify(call as Received, 'another')).toEqual({ refused: 'FORGED' })
  const verified = verify(call as Received)
  expect(verified).toMatchObject({
    event: {
      entity: 'model_version_alias',
      action: 'created',
      data: { name: 'consumer-credit', alias: 'champion', version: '2' },
    },
  })
  if ('event' in verified) accepted.accept(verified, Date.now())
  expect(verify(call as Received)).toEqual({ refused: 'REPLAYED' })
})

it('without MLflow, what was fetched before comes from the cache', async () => {
  await mlflow[Symbol.asyncDispose]()
  rmSync(models, { recursive: true })
  const { status, stdout } = await fetchModel('models:/consumer-credit@champion')
  expect(stdout).toContain('cannot be reached (ECONNREFUSED). What was fetched before is used.')
  expect(status).toBe(0)
  expectSame(join(models, 'consumer-credit/1'), `${BUNDLED}/1`)
})
