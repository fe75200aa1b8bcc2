import { createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { MlflowClient } from '../../../../src/releases/mlflow/mlflowClient.js'
import { MlflowError } from '../../../../src/releases/mlflow/mlflowError.js'
import { MlflowHttp, type MlflowServer } from '../../../../src/releases/mlflow/mlflowHttp.js'
import { type MlflowCall, type MlflowStandIn, send, startMlflow } from '../../../support/mlflowServer.js'

const CANARY = 'canary-4711'
const CHAMPION = { name: 'credit-c-xgboost', alias: 'champion' }

let mlflow: MlflowStandIn
beforeAll(async () => {
  mlflow = await startMlflow()
})
afterAll(() => mlflow[Symbol.asyncDispose]())
beforeEach(() => {
  mlflow.instead = () => false
  mlflow.calls.length = 0
})

const client = (options: Partial<MlflowServer> = {}) =>
  new MlflowClient(new MlflowHttp({ url: mlflow.url, timeoutMs: 10_000, ...options }))

async function refusal(work: Promise<unknown>): Promise<MlflowError> {
  try {
    await work
  } catch (error) {
    if (error instanceof MlflowError) return error
    throw error
  }
  throw new Error('It was not refused.')
}

describe('a registry', () => {
  it('tells the version of an alias, and of a number', async () => {
    const version = {
      name: 'credit-c-xgboost',
      version: '1',
      createdAtMs: 1_796_006_232_960,
      source: 'models:/m-c4aa6048908748e1b8d4f03a0ecc6716',
      runId: '1b08e852af164f539b6a40bea18613f6',
      status: 'READY',
      statusMessage: undefined,
      tags: new Map([['riskgate.column', '1']]),
      aliases: ['champion'],
    }
    expect(await client().version(CHAMPION)).toEqual(version)
    expect(await client().version({ name: 'credit-c-xgboost', version: '1' })).toEqual(version)
  })

  it('tells models with their aliases and tags, and where the files of a version are', async () => {
    expect(await client().registeredModel('credit-c-xgboost')).toEqual({
      name: 'credit-c-xgboost',
      tags: new Map([['owner', 'risk-desk']]),
      aliases: new Map([
        ['challenger', '2'],
        ['champion', '1'],
      ]),
    })
    expect(await client().downloadUri({ name: 'credit-c-xgboost', version: '1' })).toBe(
      'mlflow-artifacts:/1/models/m-c4aa6048908748e1b8d4f03a0ecc6716/artifacts',
    )
  })

  it('tells all versions, page after page', async () => {
    expect((await client().versions('credit-c-xgboost')).map(({ version }) => version)).toEqual(['2', '1'])
    mlflow.instead = ({ address }, response) => {
      const [, page] = /page_token=(\w+)/.exec(address) ?? []
      const next = { undefined: 'b', b: 'c', c: '' }[String(page)]
      const model_versions = [{ name: 'm', version: page === 'c' ? 1 : '2' }]
      return send(response, 200, JSON.stringify({ model_versions, ...(next && { next_page_token: next }) }))
    }
    expect((await client().versions("it's")).map(({ version }) => version)).toEqual(['2', '2', '1'])
    expect(mlflow.calls.at(-1)?.address).toContain(`filter=name="it's"`)
    expect((await refusal(client().versions(`it's "both"`))).code).toBe('UNSUPPORTED')
  })

  it('does not give out pages for ever', async () => {
    mlflow.instead = (_call, response) => send(response, 200, '{"registered_models":[],"next_page_token":"again"}')
    expect(await refusal(client().registeredModels())).toMatchObject({ code: 'TOO_LARGE' })
    expect(mlflow.calls).toHaveLength(100)
  })

  it('gets a tag, as JSON', async () => {
    await client().setTag({ name: 'credit-c-xgboost', version: '1' }, 'riskgate.status', 'serving')
    const { method, address, body } = mlflow.calls[0] as MlflowCall
    expect([method, address]).toEqual(['POST', '/api/2.0/mlflow/model-versions/set-tag'])
    expect(JSON.parse(body)).toEqual({ name: 'credit-c-xgboost', version: '1', key: 'riskgate.status', value: 'serving' })
  })

  it('may have a path prefix', async () => {
    mlflow.instead = ({ address }, response) => send(response, 404, address, 'text/plain')
    await refusal(client({ url: new URL('/ml/flow/', mlflow.url) }).version(CHAMPION))
    expect(mlflow.calls[0]?.address).toBe('/ml/flow/api/2.0/mlflow/registered-models/alias?name=credit-c-xgboost&alias=champion')
  })
})

describe('what a registry does not have is named', () => {
  it.each([
    ['alias', { name: 'credit-c-xgboost', alias: 'nope' }, 'The model credit-c-xgboost has no alias nope in MLflow.'],
    ['version', { name: 'credit-c-xgboost', version: '99' }, 'MLflow does not have version 99 of the model credit-c-xgboost.'],
  ])('an %s', async (_what, uri, says) => {
    const { code, message } = await refusal(client().version(uri))
    expect(code).toBe('NOT_FOUND')
    expect(message).toContain(says)
  })

  it('a model', async () => {
    expect((await refusal(client().registeredModel('nope'))).message).toBe('MLflow does not have the model nope.')
  })
})

describe('credentials', () => {
  it.each<[string, Partial<MlflowServer>, string | undefined]>([
    ['a token', { token: CANARY }, `Bearer ${CANARY}`],
    ['user and password', { basic: { user: 'rg', password: `${CANARY}:ü` } }, `Basic ${btoa(`rg:${CANARY}:Ã¼`)}`],
    ['none', {}, undefined],
  ])('are sent: %s', async (_what, options, authorization) => {
    await client(options).version(CHAMPION)
    expect(mlflow.calls[0]?.headers['accept-encoding']).toBe('identity')
    expect(mlflow.calls[0]?.headers.authorization).toBe(authorization)
  })

  it.each<[string, Partial<MlflowServer>]>([
    ['a token', { token: CANARY }],
    ['a password', { basic: { user: 'rg', password: CANARY } }],
  ])('never come back in a sentence, although the server repeats its request: %s', async (_what, options) => {
    for (const status of [400, 401, 403, 404, 500]) {
      mlflow.instead = ({ headers }, response) => {
        const pair = headers.authorization?.split(' ')[1]
        const message = `no: ${headers.authorization} ${CANARY} ${Buffer.from(pair ?? '', 'base64')}`
        return send(response, status, JSON.stringify({ error_code: 'X', message }))
      }
      const { message } = await refusal(client(options).version(CHAMPION))
      expect(message).not.toContain(CANARY)
      expect(message).not.toContain(btoa(`rg:${CANARY}`))
    }
  })
})

describe('an answer that is none is refused with a sentence', () => {
  const answers = (status: number, body: string, contentType = 'application/json'): MlflowStandIn['instead'] => {
    return (_call, response) => send(response, status, body, contentType)
  }
  const versionWith = (change: object) => JSON.stringify({ model_version: { name: 'm', version: '1', ...change } })

  it.each<[string, MlflowStandIn['instead'], string, string | RegExp]>([
    ['401', answers(401, 'no', 'text/plain'), 'REFUSED', 'RISKGATE_MLFLOW_TOKEN'],
    [
      '403',
      answers(403, '{"error_code":"PERMISSION_DENIED","message":"Permission denied"}'),
      'REFUSED',
      '(403): Permission denied.',
    ],
    [
      '403 of the check of the Host header',
      answers(403, 'Invalid Host header - possible DNS rebinding attack detected', 'text/plain'),
      'REFUSED',
      /--allowed-hosts 127\.0\.0\.1:\d+/,
    ],
    ['404 of another server', answers(404, 'Not Found', 'text/plain'), 'NOT_FOUND', 'has no REST API of MLflow'],
    ['500', answers(500, '<h1>oops</h1>', 'text/html'), 'UNREACHABLE', 'answers with status 500.'],
    ['503', answers(503, ''), 'UNREACHABLE', 'answers with status 503.'],
    ['429', answers(429, ''), 'UNREACHABLE', 'answers with status 429.'],
    [
      'a login page',
      answers(200, '<!doctype html><form>', 'text/html; charset=utf-8'),
      'BAD_ANSWER',
      'with a web page in place of JSON',
    ],
    ['text', answers(200, 'OK', 'text/plain'), 'BAD_ANSWER', 'with no JSON'],
    ['half of a JSON', answers(200, '{"model_version": {'), 'BAD_ANSWER', 'is not JSON'],
    ['another JSON', answers(200, '{"model": {}}'), 'BAD_ANSWER', '(model_version)'],
    ['a version that is no number', answers(200, versionWith({ version: '../2' })), 'BAD_ANSWER', '(model_version.version)'],
    ['a time that is no number', answers(200, versionWith({ creation_timestamp: '1e3' })), 'BAD_ANSWER', 'creation_timestamp'],
    ['5 MiB', answers(200, JSON.stringify('x'.repeat(5 << 20))), 'TOO_LARGE', 'more than 4194304 bytes'],
  ])('%s', async (_what, instead, code, says) => {
    mlflow.instead = instead
    const error = await refusal(client().version(CHAMPION))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(says)
    expect(error.message).not.toMatch(/</)
  })

  it.each(['/elsewhere', 'http://evil.example/steal?token=x', 'file:///etc/passwd', 'http://['])(
    'a redirect to %s',
    async location => {
      mlflow.instead = (_call, response) => {
        response.writeHead(302, { location }).end()
        return true
      }
      const { code, message } = await refusal(client({ token: CANARY }).version(CHAMPION))
      expect([code, mlflow.calls.length]).toEqual(['BAD_ANSWER', 1])
      expect(message).toContain('follows no redirect')
      expect(message).not.toContain('steal')
    },
  )

  it('numbers as texts and as numbers are the same', async () => {
    mlflow.instead = answers(200, versionWith({ name: 'credit-c-xgboost', version: 7, creation_timestamp: '1796006232960' }))
    expect(await client().version(CHAMPION)).toMatchObject({ version: '7', createdAtMs: 1_796_006_232_960, status: 'READY' })
  })

  it('a server that is slow, and one that stops in the middle', async () => {
    mlflow.instead = () => true
    const slow = await refusal(client({ timeoutMs: 50 }).version(CHAMPION))
    expect(slow).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('did not answer within 0.05 s') })
    mlflow.instead = (_call, response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{"mod')
    expect((await refusal(client({ timeoutMs: 50 }).version(CHAMPION))).message).toContain('did not answer within 0.05 s')
    mlflow.instead = (_call, response) => {
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
        .write('{"mod', () => response.destroy())
      return true
    }
    expect((await refusal(client().version(CHAMPION))).code).toBe('UNREACHABLE')
  })

  it('a server that is down', async () => {
    const port = await closedPort()
    const { code, message } = await refusal(client({ url: new URL(`http://127.0.0.1:${port}`) }).version(CHAMPION))
    expect([code, message]).toEqual(['UNREACHABLE', `MLflow at 127.0.0.1:${port} cannot be reached (ECONNREFUSED).`])
  })
})

/** A port at which nothing listens any more. */
function closedPort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
