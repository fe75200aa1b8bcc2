import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { VersionFolder } from '../../../../src/releases/intake/versionFolder.js'
import { ArtifactCache } from '../../../../src/releases/mlflow/artifactCache.js'
import { FOLDER_LIMITS, type FolderLimits } from '../../../../src/releases/mlflow/downloadFolder.js'
import { MlflowClient } from '../../../../src/releases/mlflow/mlflowClient.js'
import { MlflowFollower } from '../../../../src/releases/mlflow/mlflowFollower.js'
import { MlflowHttp } from '../../../../src/releases/mlflow/mlflowHttp.js'
import type { VersionSink } from '../../../../src/releases/mlflow/versionSink.js'
import { filesIn, type MlflowCall, type MlflowStandIn, send, startMlflow } from '../../../support/mlflowServer.js'
import { freePort } from '../../../support/redis.js'

const NAME = 'credit-c-xgboost'
const BUNDLED = new URL('../../../../models/consumer-credit/', import.meta.url).pathname
const MLMODEL = 'flavors:\n  onnx:\n    data: model.onnx\n'
const bundleOf = (version: string) => ({
  MLmodel: MLMODEL,
  ...filesIn(join(BUNDLED, version), 'extra_files/'),
  'extra_files/contract.json': readFileSync(join(BUNDLED, 'contract.json')),
})
const BUNDLES = { '1': bundleOf('1'), '2': bundleOf('2') }

let mlflow: MlflowStandIn
let directory: string
/** The number that the alias names, and what MLflow says of it. */
let named: { version: string; [key: string]: unknown } | undefined
let tags: Record<string, string>
/** What the intake and the log were told, in order. */
let told: unknown[]
let problems: readonly string[]
/** Why it may not be champion. */
let refused: readonly string[]
let waitsForRestart: boolean
let followers: MlflowFollower[]
let instead: (call: MlflowCall, response: ServerResponse) => boolean

beforeAll(async () => {
  mlflow = await startMlflow()
})
afterAll(() => mlflow[Symbol.asyncDispose]())
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-follow-'))
  ;[told, problems, refused, followers, tags, waitsForRestart] = [[], [], [], [], {}, false]
  mlflow.calls.length = 0
  instead = () => false
  mlflow.instead = (call, response) => instead(call, response) || registry(call, response)
  name('1')
})
afterEach(async () => {
  await Promise.all(followers.map(follower => follower.stop()))
  await rm(directory, { recursive: true })
})

/** The alias names this version from now on. */
function name(version: '1' | '2', more: Record<string, unknown> = {}) {
  named = { version, source: `models:/m-${version}`, creation_timestamp: Number(version), run_id: `run-${version}`, ...more }
  mlflow.files = BUNDLES[version]
}

/** A registry with one model, whose alias names one version. */
function registry({ method, address, body }: MlflowCall, response: ServerResponse): boolean {
  if (method === 'POST') {
    const { key, value } = JSON.parse(body)
    tags[key] = value
    return send(response, 200, '{}')
  }
  const model_version = { ...named, name: NAME, tags: Object.entries(tags).map(([key, value]) => ({ key, value })) }
  if (address.includes('/registered-models/alias')) {
    const missing = { error_code: 'INVALID_PARAMETER_VALUE', message: 'Registered model alias champion not found.' }
    return named ? send(response, 200, JSON.stringify({ model_version })) : send(response, 400, JSON.stringify(missing))
  }
  if (address.includes('/model-versions/get?')) return send(response, 200, JSON.stringify({ model_version }))
  if (address.includes('/get-download-uri')) {
    return send(response, 200, '{"artifact_uri":"mlflow-artifacts:/1/models/m-c4aa6048908748e1b8d4f03a0ecc6716/artifacts"}')
  }
  if (address.includes('/model-versions/search')) return send(response, 200, JSON.stringify({ model_versions: [model_version] }))
  return false
}

const intake: VersionSink = {
  async take(folder, origin) {
    told.push(['take', folder.model, folder.version, origin, readdirSync(folder.directory).sort()])
    taken.push(folder)
    expect(existsSync(folder.contractFile)).toBe(true)
    return { problems, waitsForRestart }
  },
  async said(model, version, at) {
    told.push(['said', model, version])
    expect(Date.now() - at.getTime()).toBeLessThan(60_000)
    return refused
  },
}
const taken: VersionFolder[] = []

interface Settings {
  readonly limits?: Partial<FolderLimits>
  readonly timeoutMs?: number
  readonly intake?: VersionSink
  readonly url?: URL
}

function follower(settings: Settings = {}) {
  const http = new MlflowHttp({ url: settings.url ?? mlflow.url, timeoutMs: settings.timeoutMs ?? 10_000, token: 'a-token' })
  const made = new MlflowFollower({
    models: [{ name: NAME, alias: 'champion' }],
    pollMs: 3_600_000,
    client: new MlflowClient(http),
    cache: new ArtifactCache(join(directory, 'cache')),
    limits: { ...FOLDER_LIMITS, ...settings.limits },
    intake: settings.intake ?? intake,
    reports: {
      failed: code => told.push(['failed', code]),
      trouble: ({ code, reason }) => told.push(['trouble', code, reason]),
      recovered: model => told.push(['recovered', model]),
      taken: (model, { registered }) => told.push(['taken', model, registered]),
    },
  })
  followers.push(made)
  return made
}

/** What was told since the last time. */
function news(): unknown[] {
  return told.splice(0)
}

const FOLDER = ['MODEL_CARD.md', 'contract.json', 'golden.jsonl', 'manifest.json', 'model.onnx']
const take = (version: string) => [
  ['take', 'consumer-credit', version, { source: 'mlflow', name: NAME, version, runId: `run-${version}` }, FOLDER],
  ['said', 'consumer-credit', version],
  ['taken', NAME, version],
]

describe('the version that an alias names', () => {
  it('is taken at the start, again when the alias moves, and not while it stays', async () => {
    const each = follower()
    await each.start()
    expect(news()).toEqual(take('1'))
    await each.poke()
    expect(news()).toEqual([])
    name('2')
    await each.poke(NAME)
    expect(news()).toEqual(take('2'))
    // Back: its files come from the cache.
    name('1')
    mlflow.calls.length = 0
    await each.poke()
    expect(news()).toEqual(take('1'))
    expect(mlflow.calls.filter(({ address }) => address.includes('artifacts'))).toEqual([])
    expect([each.isUp, each.inStep]).toEqual([true, { [NAME]: true }])
  })

  it('is asked for once for many hints of a moment, and not for hints about other models', async () => {
    const each = follower()
    await each.start()
    mlflow.calls.length = 0
    await Promise.all([each.poke(), each.poke('other'), each.poke(NAME)])
    expect(mlflow.calls).toHaveLength(1)
    await each.poke('other')
    expect(mlflow.calls).toHaveLength(1)
  })

  it('fits a signature of the inputs of its graph', async () => {
    const { onnx } = JSON.parse(readFileSync(join(BUNDLED, '2/manifest.json'), 'utf8'))
    const inputs = onnx.inputs.map(({ name, type, columns }: { name: string; type: string; columns: object[] }) => {
      return { name, type: 'tensor', 'tensor-spec': { dtype: type, shape: [-1, columns.length] } }
    })
    name('2')
    mlflow.files = { ...BUNDLES['2'], MLmodel: `${MLMODEL}signature:\n  inputs: '${JSON.stringify(inputs)}'\n` }
    await follower().start()
    expect(news()).toEqual(take('2'))
  })

  it('stays in the cache with the nine that came before it', async () => {
    const each = follower()
    await each.start()
    for (let version = 101; version <= 112; version++) {
      named = { version: String(version), source: 'models:/m-1', creation_timestamp: version, run_id: 'run' }
      await each.poke()
    }
    const records = join(directory, 'cache', 'versions')
    const kept = readdirSync(records).map(file => JSON.parse(readFileSync(join(records, file), 'utf8')).version)
    expect([...new Set(kept)].sort()).toEqual(Array.from({ length: 10 }, (_, i) => String(103 + i)))
  })

  it('has a folder only until it was taken', async () => {
    await follower().start()
    expect(taken.length).toBeGreaterThan(0)
    expect(taken.filter(({ directory }) => existsSync(directory))).toEqual([])
    expect(readdirSync(join(directory, 'cache', 'partial'))).toEqual([])
  })

  it('comes from the cache when MLflow is away at the start, and is then no word of MLflow', async () => {
    await follower().start()
    news()
    instead = (_call, response) => send(response, 503, '')
    const [first] = take('1')
    const each = follower()
    await each.start()
    const [trouble] = [expect.stringContaining('503')]
    expect(news()).toEqual([first, ['failed', 'UNREACHABLE'], ['trouble', 'UNREACHABLE', trouble], ['taken', NAME, '1']])
    expect([each.isUp, each.inStep]).toEqual([false, { [NAME]: false }])
    instead = () => false
    await each.poke()
    expect(news()).toEqual([
      ['said', 'consumer-credit', '1'],
      ['recovered', NAME],
    ])
    expect([each.isUp, each.inStep]).toEqual([true, { [NAME]: true }])
  })

  it('is taken at the next time where the intake fails', async () => {
    let fails = true
    const failing: VersionSink = {
      take: (...given) => (fails ? Promise.reject(new Error('the database is away')) : intake.take(...given)),
      said: (...given) => intake.said(...given),
    }
    const each = follower({ intake: failing })
    await each.start()
    expect(news()).toEqual([
      ['failed', 'NOT_TAKEN'],
      ['trouble', 'NOT_TAKEN', undefined],
    ])
    expect(tags).toEqual({})
    fails = false
    await each.poke()
    const [first, ...more] = take('1')
    expect(news()).toEqual([first, more[0], ['recovered', NAME], more[1]])
  })

  it('ends with the follower, in the middle of being taken', async () => {
    let release = () => {}
    const slow: VersionSink = {
      take: () => {
        told.push('take')
        return new Promise(resolve => (release = () => resolve({ problems: [], waitsForRestart: false })))
      },
      said: intake.said,
    }
    const each = follower({ intake: slow })
    const first = each.start()
    while (told.length === 0) await new Promise(resolve => setImmediate(resolve))
    const stopped = each.stop()
    release()
    await Promise.all([first, stopped])
    expect(news()).toEqual(['take'])
    expect(tags).toEqual({})
  })

  it('is not said to be champion as long as it can only serve after a restart', async () => {
    waitsForRestart = true
    const each = follower()
    await each.start()
    const [first, , told] = take('1')
    expect(news()).toEqual([first, told])
    expect([each.inStep, tags['riskgate.status']]).toEqual([{ [NAME]: true }, 'validated'])
  })
})

describe('what keeps a version from being taken leaves the version before in place, is told once, and is over when it is over', () => {
  const html = '<html>sign in</html>'
  const CASES: [what: string, code: string, says: string, make: () => void, settings?: Settings][] = [
    ['MLflow is overloaded', 'UNREACHABLE', '503', () => (instead = (_c, r) => send(r, 503, ''))],
    ['MLflow is slow', 'UNREACHABLE', 'did not answer within', () => (instead = () => true), { timeoutMs: 500 }],
    ['a web page answers', 'BAD_ANSWER', 'answers with a web page', () => (instead = (_c, r) => send(r, 200, html, 'text/html'))],
    [
      'MLflow redirects',
      'BAD_ANSWER',
      'redirects to 169.254.169.254',
      () => (instead = (_c, r) => Boolean(r.writeHead(302, { location: 'http://169.254.169.254/' }).end())),
    ],
    [
      'MLflow does not know its name',
      'REFUSED',
      '--allowed-hosts',
      () => (instead = (_c, r) => send(r, 403, 'Invalid Host header - possible DNS rebinding attack detected', 'text/plain')),
    ],
    [
      'MLflow refuses the credentials',
      'REFUSED',
      '(401)',
      () => (instead = (_c, r) => send(r, 401, 'a-token is wrong', 'text/plain')),
    ],
    ['the model has no such alias', 'NOT_FOUND', 'has no alias champion', () => (named = undefined)],
    [
      'the alias names a version that is gone',
      'NOT_FOUND',
      'MLflow does not have',
      () => (instead = (_c, r) => send(r, 404, '{"message":"Model Version not found"}')),
    ],
    [
      'the version is still being registered',
      'NOT_READY',
      'PENDING_REGISTRATION',
      () => name('2', { status: 'PENDING_REGISTRATION' }),
    ],
    [
      'the version could not be registered',
      'NOT_READY',
      'could not be registered: disk full',
      () => name('2', { status: 'FAILED_REGISTRATION', status_message: 'disk full' }),
    ],
    [
      'a download is cut off',
      'BAD_ANSWER',
      'does not have the',
      () => {
        name('2')
        instead = ({ address }, r) => address.endsWith('extra_files/model.onnx') && send(r, 200, 'half')
      },
    ],
  ]

  it.each(CASES)('%s: %s', async (_what, code, says, make, settings) => {
    const each = follower(settings)
    await each.start()
    expect(news()).toEqual(take('1'))
    make()
    await each.poke()
    expect(news()).toEqual([
      ['failed', code],
      ['trouble', code, expect.stringContaining(says)],
    ])
    expect(each.inStep).toEqual({ [NAME]: false })
    expect(each.isUp).toBe(!['UNREACHABLE', 'REFUSED', 'BAD_ANSWER'].includes(code))
    await each.poke()
    expect(news()).toEqual([['failed', code]])
    instead = () => false
    name('1')
    await each.poke()
    expect(news()).toEqual([['recovered', NAME]])
  })

  it('MLflow is gone', async () => {
    const port = await freePort()
    const each = follower({ url: new URL(`http://127.0.0.1:${port}`) })
    await each.start()
    expect(news()).toEqual([
      ['failed', 'UNREACHABLE'],
      ['trouble', 'UNREACHABLE', `MLflow at 127.0.0.1:${port} cannot be reached (ECONNREFUSED).`],
    ])
  })
})

describe('a version that may not serve is rejected once, with the reason in its tags', () => {
  const rejected = (says: string) => [
    ['failed', 'REJECTED'],
    ['trouble', 'REJECTED', expect.stringContaining(says)],
  ]
  const cached = (version: '1' | '2', files: MlflowStandIn['files'], more = {}) => {
    name(version, more)
    mlflow.files = files
  }
  const PLAIN = { MLmodel: MLMODEL, 'model.onnx': 'x' }
  const { 'extra_files/contract.json': _contract, ...WITHOUT_CONTRACT } = BUNDLES['2']
  const SIGNED = `${MLMODEL}signature:\n  inputs: '[{"name":"age","type":"double"}]'\n`

  it.each<[string, string, () => void, Settings?]>([
    ['it has no bundle', 'is no bundle', () => cached('2', PLAIN)],
    ['its bundle has no contract', 'has no contract.json', () => cached('2', WITHOUT_CONTRACT)],
    [
      'its signature does not fit',
      'The signature does not fit the contract: the signature lacks',
      () => cached('2', { ...BUNDLES['2'], MLmodel: SIGNED }),
    ],
    ['its manifest is none', 'manifest.json', () => cached('2', { ...BUNDLES['2'], 'extra_files/manifest.json': '{"model":1}' })],
    [
      'it was registered anew with other files',
      'A version never changes',
      () => cached('1', { ...BUNDLES['1'], 'extra_files/golden.jsonl': '{}\n' }, { creation_timestamp: 9 }),
    ],
    ['it is too large', 'more than the 1 bytes', () => cached('2', BUNDLES['2']), { limits: { maxBytes: 1 } }],
    [
      'its files are elsewhere',
      'riskgate does not read S3',
      () => {
        name('2')
        instead = ({ address }, r) => address.includes('get-download-uri') && send(r, 200, '{"artifact_uri":"s3://bucket/x"}')
      },
    ],
  ])('%s: %s', async (_what, says, make, settings) => {
    await follower().start()
    expect(news()).toEqual(take('1'))
    make()
    const each = follower(settings)
    await each.start()
    expect(news()).toEqual(rejected(says))
    expect(tags).toMatchObject({ 'riskgate.status': 'rejected', 'riskgate.reason': expect.stringContaining(says) })
    mlflow.calls.length = 0
    await each.poke()
    // It is not downloaded again.
    expect(mlflow.calls).toHaveLength(1)
    expect(news()).toEqual([])
    expect([each.isUp, each.inStep]).toEqual([true, { [NAME]: false }])
  })

  it('it may serve, but not as champion: that is tried again', async () => {
    refused = ['A champion needs golden rows.']
    const each = follower()
    await each.start()
    const [first, said, told] = take('1')
    expect(news()).toEqual([first, said, ...rejected('needs golden rows'), told])
    expect(tags).toMatchObject({ 'riskgate.status': 'rejected', 'riskgate.reason': 'A champion needs golden rows.' })
    refused = []
    await each.poke()
    expect(news()).toEqual([said, ['recovered', NAME]])
    expect(tags).toMatchObject({ 'riskgate.status': 'validated', 'riskgate.reason': '' })
  })

  it('admission finds problems; its files may then change until it is taken', async () => {
    problems = ['row 3 of golden.jsonl: expected 0.31, got 0.36', `a long\n\u202estory ${'x'.repeat(1_000)}`]
    const each = follower()
    await each.start()
    expect(news()).toEqual([take('1')[0], ...rejected('row 3 of golden.jsonl: expected 0.31, got 0.36 a long story xxx')])
    expect(tags['riskgate.reason']).toHaveLength(500)
    problems = []
    name('1', { creation_timestamp: 9 })
    mlflow.files = { ...BUNDLES['1'], 'extra_files/golden.jsonl': '{}\n' }
    await each.poke()
    expect(news()).toEqual([take('1')[0], take('1')[1], ['recovered', NAME], ['taken', NAME, '1']])
    expect(tags).toMatchObject({ 'riskgate.status': 'validated', 'riskgate.reason': '' })
  })
})

describe('the tags of a version', () => {
  const origin = { source: 'mlflow', name: NAME, version: '1', runId: 'run-1' } as const
  const writes = () => mlflow.calls.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body))

  it('say that it is valid, that it serves, and that another one does', async () => {
    const each = follower()
    await each.start()
    expect(tags).toEqual({ 'riskgate.status': 'validated', 'riskgate.checked_at': expect.stringMatching(/^20.*Z$/) })
    each.served({ model: 'consumer-credit', version: '1', origin })
    await each.poke()
    expect(tags['riskgate.status']).toBe('serving')
    // The champion now comes from the models folder.
    each.served({ model: 'consumer-credit', version: '7', origin: { source: 'folder' } })
    await each.poke()
    expect(tags['riskgate.status']).toBe('validated')
    expect(writes()).toHaveLength(6)
  })

  it('say that it serves, also where the models folder had it first', async () => {
    const each = follower()
    each.served({ model: 'consumer-credit', version: '1', origin: { source: 'folder' } })
    await each.start()
    expect(tags['riskgate.status']).toBe('serving')
  })

  it('are written once, by any number of gateways and starts', async () => {
    const [one, two] = [follower(), follower()]
    await one.start()
    one.served({ model: 'consumer-credit', version: '1', origin })
    await one.poke()
    mlflow.calls.length = 0
    await two.start()
    two.served({ model: 'consumer-credit', version: '1', origin })
    await two.poke()
    expect(writes()).toEqual([])
  })

  it('may be refused: that is told once, and changes nothing else', async () => {
    instead = ({ method }, r) => method === 'POST' && send(r, 403, '{"message":"read only"}')
    const each = follower()
    await each.start()
    const refused = ['trouble', 'TAGS_REFUSED', expect.stringContaining('read only')]
    expect(news()).toEqual([...take('1'), ['failed', 'TAGS_REFUSED'], refused])
    name('2')
    await each.poke()
    expect(news()).toEqual([...take('2'), ['failed', 'TAGS_REFUSED']])
    expect([each.isUp, each.inStep]).toEqual([true, { [NAME]: true }])
  })

  it('are written later where MLflow goes away before', async () => {
    instead = ({ method }, r) => method === 'POST' && send(r, 503, '')
    const each = follower()
    await each.start()
    expect(tags).toEqual({})
    instead = () => false
    await each.poke()
    expect(tags['riskgate.status']).toBe('validated')
  })
})
