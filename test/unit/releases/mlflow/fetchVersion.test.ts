import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ArtifactCache } from '../../../../src/releases/mlflow/artifactCache.js'
import { servedFolder } from '../../../../src/releases/mlflow/artifactUri.js'
import { FOLDER_LIMITS, type FolderLimits } from '../../../../src/releases/mlflow/downloadFolder.js'
import { fetchVersion } from '../../../../src/releases/mlflow/fetchVersion.js'
import { MlflowClient } from '../../../../src/releases/mlflow/mlflowClient.js'
import { MlflowHttp } from '../../../../src/releases/mlflow/mlflowHttp.js'
import { parseModelUri, textOf } from '../../../../src/releases/mlflow/modelUri.js'
import { type MlflowStandIn, send, startMlflow } from '../../../support/mlflowServer.js'

const FILES = {
  MLmodel: 'flavors: {}\n',
  'model.onnx': Buffer.from([0, 1, 2]),
  'extra_files/golden.jsonl': '{}\n',
  'a b/50% ü#1.txt': 'é',
}
const URI = parseModelUri('models:/credit-c-xgboost@champion')
const digestOf = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex')

let mlflow: MlflowStandIn
let directory: string
beforeAll(async () => {
  mlflow = await startMlflow()
})
afterAll(() => mlflow[Symbol.asyncDispose]())
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-mlflow-'))
  mlflow.files = FILES
  mlflow.instead = () => false
  mlflow.calls.length = 0
})
afterEach(() => rm(directory, { recursive: true }))

const cached = () => join(directory, 'cache')
const cache = () => new ArtifactCache(cached())

function fetched(limits: Partial<FolderLimits> = {}, { uri = URI, url = mlflow.url, timeoutMs = 10_000 } = {}) {
  return fetchVersion(new MlflowClient(new MlflowHttp({ url, timeoutMs })), uri, cache(), { ...FOLDER_LIMITS, ...limits })
}

/** Every file below a folder. */
function below(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
}

/** Lists a single entry in place of the folder. */
function list(...files: readonly object[]): void {
  mlflow.instead = ({ address }, response) => address.includes('?path=') && send(response, 200, JSON.stringify({ files }))
}

describe('the folder of a version', () => {
  it('comes into the cache by the digests of its files, and out of it as it was', async () => {
    const { version, offline } = await fetched()
    expect(offline).toBeUndefined()
    expect(version).toMatchObject({ name: 'credit-c-xgboost', version: '1', runId: '1b08e852af164f539b6a40bea18613f6' })
    const expected = Object.entries(FILES).map(([path, content]) => {
      return { path, bytes: Buffer.byteLength(content), sha256: digestOf(content) }
    })
    expect([...version.files].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
      expected.sort((a, b) => (a.path < b.path ? -1 : 1)),
    )
    expect(below(join(cached(), 'files')).map(path => path.slice(3))).toEqual(
      expect.arrayContaining(expected.map(({ sha256 }) => sha256)),
    )
    await cache().writeTo(join(directory, 'out'), version.files)
    expect(below(join(directory, 'out')).sort()).toEqual(Object.keys(FILES).sort())
    for (const [path, content] of Object.entries(FILES)) {
      expect(readFileSync(join(directory, 'out', path))).toEqual(Buffer.from(content))
    }
    expect(below(join(cached(), 'partial'))).toEqual([])
  })

  it('is downloaded once: afterwards MLflow is only asked for the alias', async () => {
    await fetched()
    mlflow.calls.length = 0
    await fetched()
    expect(mlflow.calls.map(({ address }) => address)).toEqual([
      '/api/2.0/mlflow/registered-models/alias?name=credit-c-xgboost&alias=champion',
    ])
  })

  it.each([
    ['another source', { source: 'models:/m-2' }],
    ['another time of registration', { creation_timestamp: 2 }],
  ])('is downloaded again where MLflow tells %s, as for a version that was registered anew', async (_what, change) => {
    const model_version = { name: 'credit-c-xgboost', version: '1', source: 'models:/m-1', creation_timestamp: 1 }
    const answering = (version: object) => {
      mlflow.instead = ({ address }, response) =>
        address.includes('/alias?') && send(response, 200, JSON.stringify({ model_version: version }))
    }
    answering(model_version)
    await fetched()
    mlflow.files = { MLmodel: 'another' }
    answering({ ...model_version, ...change })
    expect((await fetched()).version.files).toEqual([{ path: 'MLmodel', bytes: 7, sha256: digestOf('another') }])
  })

  it('may take longer than the timeout as long as something comes', async () => {
    mlflow.files = { 'model.onnx': 'xxxxxx' }
    mlflow.instead = ({ address }, response) => {
      if (!address.endsWith('model.onnx')) return false
      for (const i of [0, 1, 2, 3, 4, 5]) setTimeout(() => response[i === 5 ? 'end' : 'write']('x'), i * 500)
      return true
    }
    expect((await fetched({}, { timeoutMs: 2_000 })).version.files).toHaveLength(1)
  })

  it('is downloaded again where a file of the cache is damaged', async () => {
    const { version } = await fetched()
    const { sha256 } = version.files.find(({ path }) => path === 'model.onnx') as { sha256: string }
    writeFileSync(join(cached(), 'files', sha256.slice(0, 2), sha256), 'damaged')
    await expect(cache().writeTo(join(directory, 'out'), version.files)).rejects.toThrow('model.onnx is damaged')
    await fetched()
    await cache().writeTo(join(directory, 'again'), version.files)
  })

  it.each(['a link to another file', 'half of a record', 'a record that leads out of its folder'])(
    'is not taken from a cache with %s',
    async what => {
      const { version } = await fetched()
      const { sha256 = '' } = version.files[0] ?? {}
      const file = join(cached(), 'files', sha256.slice(0, 2), sha256)
      const records = below(join(cached(), 'versions')).map(name => join(cached(), 'versions', name))
      if (what.startsWith('a link')) {
        rmSync(file)
        symlinkSync('/etc/hostname', file)
      }
      for (const record of records) {
        const text = readFileSync(record, 'utf8')
        if (what.startsWith('half')) writeFileSync(record, text.slice(0, 50))
        if (what.startsWith('a record')) writeFileSync(record, text.replace('"MLmodel"', '"../../MLmodel"'))
      }
      mlflow.instead = (_call, response) => send(response, 503, '')
      await expect(fetched()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    },
  )
})

describe('a start without MLflow', () => {
  it('has the version that the name had before, and says so', async () => {
    const before = await fetched()
    mlflow.instead = (_call, response) => send(response, 503, '')
    const { version, offline } = await fetched()
    expect(version).toEqual(before.version)
    expect(offline).toContain('503')
    mlflow.instead = () => true
    expect((await fetched({}, { timeoutMs: 50 })).offline).toContain('did not answer within 0.05 s')
  })

  it('has nothing of another name or another server', async () => {
    await fetched()
    mlflow.instead = (_call, response) => send(response, 503, '')
    await expect(fetched({}, { uri: parseModelUri('models:/credit-c-xgboost@challenger') })).rejects.toThrow('503')
    await expect(fetched({}, { url: new URL('/other', mlflow.url) })).rejects.toThrow('503')
  })

  it('does not hide that MLflow refuses: the alias may have been taken away', async () => {
    await fetched()
    for (const status of [401, 403, 404]) {
      mlflow.instead = (_call, response) => send(response, status, '{"message":"no"}')
      await expect(fetched()).rejects.toThrow()
    }
  })

  it('begins anew after a download that was cut, and removes what a dead process left', async () => {
    mlflow.instead = ({ address }, response) => {
      if (!address.endsWith('model.onnx')) return false
      response.writeHead(200, { 'content-length': '3' }).write('x', () => response.destroy())
      return true
    }
    await expect(fetched()).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(below(join(cached(), 'partial'))).toEqual([])
    expect(below(join(cached(), 'versions'))).toEqual([])
    const [old, young] = ['old', 'young'].map(name => join(cached(), 'partial', name)) as [string, string]
    for (const folder of [old, young]) {
      mkdirSync(folder)
      writeFileSync(join(folder, 'file'), 'x')
    }
    utimesSync(old, 0, 0)
    mlflow.instead = () => false
    await fetched()
    expect(readdirSync(join(cached(), 'partial'))).toEqual(['young'])
  })
})

describe('a version that is not ready', () => {
  it.each([
    ['PENDING_REGISTRATION', 'Version 1 of credit-c-xgboost is not registered to its end (PENDING_REGISTRATION).'],
    ['FAILED_REGISTRATION', 'Version 1 of credit-c-xgboost could not be registered: disk full. Register it again.'],
  ])('is refused: %s', async (status, says) => {
    const model_version = { name: 'credit-c-xgboost', version: '1', status, status_message: 'disk\n full' }
    mlflow.instead = (_call, response) => send(response, 200, JSON.stringify({ model_version }))
    await expect(fetched()).rejects.toMatchObject({ code: 'NOT_READY', message: expect.stringContaining(says) })
    expect(mlflow.calls).toHaveLength(1)
  })

  it('is refused where another one comes than was asked for', async () => {
    for (const other of [
      { name: 'other', version: '1' },
      { name: 'credit-c-xgboost', version: '2' },
    ]) {
      mlflow.instead = (_call, response) => send(response, 200, JSON.stringify({ model_version: other }))
      await expect(fetched({}, { uri: parseModelUri('models:/credit-c-xgboost/1') })).rejects.toThrow(
        'answers with another version',
      )
    }
  })
})

describe('a hostile listing writes nothing', () => {
  it.each([
    '../evil',
    '..',
    '.',
    '',
    '/etc/passwd',
    'a/b',
    'a\\b',
    '..\\evil',
    'C:evil',
    'nul\0',
    'line\nbreak',
    'right‮to left',
    'CON',
    'nul.txt',
    'COM1.onnx',
    'dot.',
    'space ',
    'x'.repeat(256),
  ])('with the name %j', async path => {
    for (const is_dir of [false, true]) {
      list({ path: 'MLmodel', is_dir: false, file_size: 12 }, { path, is_dir, file_size: 1 })
      await expect(fetched()).rejects.toMatchObject({ code: 'BAD_ANSWER', message: expect.stringContaining('refused') })
    }
    expect(mlflow.calls.filter(({ address }) => address.includes('artifacts/1/'))).toEqual([])
    expect(below(directory)).toEqual([])
  })

  it.each([
    ['Model.onnx', 'model.onnx'],
    ['ﬁle', 'file'],
    ['é', 'e\u0301'],
    ['same', 'same'],
  ])('with %s beside %s', async (...names) => {
    list(...names.map(path => ({ path, is_dir: false, file_size: 1 })))
    await expect(fetched()).rejects.toThrow('twice')
    expect(below(directory)).toEqual([])
  })

  it('of folders without an end, too many files, too many bytes, or none', async () => {
    list({ path: 'again', is_dir: true })
    await expect(fetched()).rejects.toThrow('folders more than 6 deep')
    list(...Array.from({ length: 201 }, (_, i) => ({ path: `f${i}`, is_dir: false, file_size: 0 })))
    await expect(fetched()).rejects.toThrow('more than 200 files')
    list({ path: 'large', is_dir: false, file_size: String(2 ** 31) })
    await expect(fetched()).rejects.toThrow('more than the 1073741824 bytes')
    list()
    await expect(fetched()).rejects.toThrow('lists no files')
    expect(below(directory)).toEqual([])
  })

  it('whose sizes are wrong', async () => {
    for (const file_size of [2, 4]) {
      list({ path: 'model.onnx', is_dir: false, file_size })
      await expect(fetched()).rejects.toThrow(`model.onnx does not have the ${file_size} bytes`)
    }
    list({ path: 'model.onnx', is_dir: false })
    await expect(fetched({ maxBytes: 2 })).rejects.toThrow('more than the 2 bytes')
    expect(below(directory)).toEqual([])
    // 12 bytes and 3: the first fits, and both do not.
    list({ path: 'MLmodel', is_dir: false }, { path: 'model.onnx', is_dir: false })
    await expect(fetched({ maxBytes: 14 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})

it('a file that never ends is cut off by the size, and one that drips by the time', async () => {
  mlflow.files = { 'model.onnx': 'x' }
  const endless =
    (pauseMs: number): MlflowStandIn['instead'] =>
    ({ address }, response) => {
      if (address.includes('?path=')) return send(response, 200, '{"files":[{"path":"model.onnx"}]}')
      if (!address.endsWith('model.onnx')) return false
      response.writeHead(200)
      const more = () => {
        if (!response.destroyed) response.write(Buffer.alloc(1 << 16), () => setTimeout(more, pauseMs))
      }
      more()
      return true
    }
  mlflow.instead = endless(0)
  await expect(fetched({ maxBytes: 1 << 20 })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  mlflow.instead = endless(20)
  await expect(fetched({ timeoutMs: 100 })).rejects.toThrow('did not arrive within 0.1 s')
  expect(below(directory)).toEqual([])
})

it('a redirect of a download is not followed', async () => {
  mlflow.instead = ({ address }, response) => {
    if (!address.endsWith('model.onnx')) return false
    response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data' }).end()
    return true
  }
  await expect(fetched()).rejects.toThrow('MLflow redirects to 169.254.169.254')
})

describe('an artifact URI', () => {
  it('names a folder that MLflow hands out', () => {
    expect(servedFolder('mlflow-artifacts:/1/models/m-1/artifacts')).toBe('1/models/m-1/artifacts')
    expect(servedFolder('mlflow-artifacts:/1/models/m-1/artifacts/')).toBe('1/models/m-1/artifacts')
  })

  it.each([
    ['s3://bucket/path', 'at s3:, and riskgate does not read S3. Start MLflow with --serve-artifacts'],
    ['gs://bucket/path', 'Google Cloud Storage'],
    ['wasbs://c@account/path', 'Azure Storage'],
    ['abfss://c@account/path', 'Azure Storage'],
    ['dbfs:/databricks/x', 'Databricks'],
    ['file:///srv/mlruns/1', 'a folder of the machine of MLflow'],
    ['/srv/mlruns/1', 'a folder of the machine of MLflow'],
    ['runs:/abc/model', 'names a run'],
    ['models:/m-123', 'names a logged model'],
    ['ftp://x/y', 'does not read such addresses'],
    ['mlflow-artifacts://other.example/1/models', 'on another server'],
    ['mlflow-artifacts:/../secrets', 'out of its folder'],
    ['mlflow-artifacts:/1/..\\x', 'out of its folder'],
    ['mlflow-artifacts:/1//x', 'out of its folder'],
    ['mlflow-artifacts:/', 'out of its folder'],
  ])('that riskgate does not read is refused with the reason: %s', (uri, says) => {
    expect(() => servedFolder(uri)).toThrow(says)
  })

  it('that a server names in place of its own is refused before any download', async () => {
    mlflow.instead = ({ address }, response) => {
      return address.includes('get-download-uri') && send(response, 200, '{"artifact_uri":"s3://bucket/a?secret=1"}')
    }
    const refused = await fetched().catch(error => error)
    expect(refused).toMatchObject({ code: 'UNSUPPORTED' })
    expect(refused.message).not.toContain('bucket')
    expect(mlflow.calls).toHaveLength(2)
  })
})

describe('the name of a version', () => {
  it.each(['models:/a@champion', 'models:/Credit net (v2)/12', "models:/it's@b"])('is read: %s', text => {
    expect(textOf(parseModelUri(text))).toBe(text)
  })
  it.each([
    'consumer-credit',
    'models:/a',
    'models:/a/',
    'models:/a/latest',
    'models:/a@',
    'models:/@b',
    'models:/a@b@c',
    'models:/a@b/1',
    'models:/a/1/2',
    'models:/m-123/../x',
    'runs:/a/model',
    'models:/a\n@b',
    'models:/a/1\n',
  ])('is refused: %j', text => {
    expect(() => parseModelUri(text)).toThrow('models:/NAME@ALIAS')
  })
})

it('others cannot read the cache of a user', async () => {
  await fetched()
  for (const folder of ['files', 'versions', 'partial']) expect(statSync(join(cached(), folder)).mode & 0o077).toBe(0)
})
