import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { HIGH_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { signToken } from '../support/gateway.js'
import { type Exit, type GatewayProcess, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlpReceiver.js'
import { until } from '../support/process.js'
import { type Receiver, startReceiver } from '../support/receiver.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { type Canary, canaryOf, findCanaries } from './support/canary.js'
import { hostileApplications, hostileOutcomes, hostileTexts, printableTexts } from './support/hostileInputs.js'

const names = [
  'applicantId',
  'otherApplicant',
  'idempotencyKey',
  'channel',
  'home',
  'job',
  'description',
  'webhookPath',
  'cursor',
  'name in document',
  'name of key',
  'query',
  'operationName',
  'variable',
  'requestId',
  'userAgent',
  'referer',
  'cookie',
  'forwarded',
  'origin',
  'baggage',
  'path',
  'search',
  'body',
  'token',
  'socketToken',
  'socketMessage',
  'hostile',
  'search for id',
  'erased',
] as const
const canary = Object.fromEntries(names.map(name => [name, canaryOf(name)])) as Record<(typeof names)[number], Canary>
const of = (name: (typeof names)[number]) => canary[name].value

/** Numbers that do not occur by chance; together they are high risk. */
const NUMBERS = {
  expenses: 61.0417293,
  income: 50.0417293,
  assets: 0.0417293,
  debt: 0.3417293,
  amount: 1500.7417293,
  price: 1600.8417293,
}
const FEATURES = { ...HIGH_RISK, ...NUMBERS }

const PREDICT =
  'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed prediction { id applicantId probability features { name number } } } }'
const BATCH =
  'mutation($items: [PredictRiskInput!]!) { predictRiskBatch(input: {items: $items}) { results { prediction { id } errors { code message path } } } }'
const RECORD = 'mutation($input: RecordOutcomeInput!) { recordOutcome(input: $input) { prediction { id } } }'

describe('personal data', () => {
  let state: StateDirectory
  let server: EmbeddedPostgres
  let sql: Sql
  let redis: TestRedis
  let monitor: Socket
  let receiver: Receiver
  let collector: OtlpReceiver
  let gateway: GatewayProcess
  let exit: Exit
  let token: string
  let apiKey = ''
  const temporary = testFolder('canary')
  const cwd = testFolder('canary')
  /** All output of the gateway, by its kind. */
  const seen = {
    answers: '',
    'close frames': '',
    commands: '',
    'Redis commands': '',
    'Redis keys': '',
    'Redis values': '',
    '/metrics': '',
    '/healthz': '',
    '/readyz': '',
    traces: '',
  }
  const statuses = new Map<number, number>()

  beforeAll(async () => {
    state = newStateDirectory()
    server = await startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
    sql = postgres(server.url, { max: 1, onnotice: () => {} })
    redis = await startRedis()
    monitor = connect(Number(new URL(redis.url).port), '127.0.0.1')
    monitor.on('data', text => {
      seen['Redis commands'] += text
    })
    monitor.write('MONITOR\r\n')
    await once(monitor, 'data')
    receiver = await startReceiver()
    collector = await startOtlpReceiver()
    token = await signToken({ roles: ['ADMIN'], subject: 'desk', tenant: 'bank' })
    gateway = await spawnGateway(
      {
        ...TEST_KEY,
        DATABASE_URL: server.url,
        REDIS_URL: redis.url,
        RISKGATE_STATE_DIR: join(temporary, 'state'),
        RISKGATE_LOG_LEVEL: 'debug',
        RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
        RISKGATE_WEBHOOK_ATTEMPTS: '2',
        RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        RISKGATE_TRACE_RATIO: '1',
        TMPDIR: temporary,
      },
      { cwd },
    )
    await goodRequests()
    await hostileRequests()
    await hostileTransport()
    await sockets()
    await failingDatabase()
    await exports()
    const redisClient = new Redis(redis.url)
    const keys = await redisClient.keys('*')
    seen['Redis keys'] = keys.join('\n')
    seen['Redis values'] = (await Promise.all(keys.map(key => redisClient.get(key)))).join('\n')
    await redisClient.quit()
    for (const path of ['/metrics', '/healthz', '/readyz'] as const) seen[path] = await (await call(path, {})).text()
    exit = await gateway.stop()
    seen.traces = collector.raw
  }, 300_000)
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]()
    monitor?.destroy()
    await sql?.end({ timeout: 0 })
    await receiver?.[Symbol.asyncDispose]()
    await collector?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
    await server?.stop()
    await state?.[Symbol.asyncDispose]()
  }, 60_000)

  const call = (path: string, init: RequestInit) =>
    fetch(`${gateway.url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })

  /** Records an answer without the data that was asked for. */
  async function keep(response: Response): Promise<Record<string, never> | undefined> {
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    seen.answers += `${[...response.headers].join('\n')}\n`
    const text = await response.text()
    if (!response.headers.get('content-type')?.includes('json')) {
      seen.answers += text
      return undefined
    }
    const { data, ...rest } = JSON.parse(text)
    seen.answers += `${JSON.stringify(rest)}\n`
    return data ?? undefined
  }

  const post = async (body: string, headers: Record<string, string> = {}) =>
    keep(await call('/graphql', { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }))
  const ask = (query: string, variables: object = {}) => post(JSON.stringify({ query, variables }))

  const application = () => ({
    applicantId: of('applicantId'),
    channel: of('channel').slice(0, 32),
    idempotencyKey: of('idempotencyKey'),
    features: { consumerCredit: FEATURES },
  })

  async function goodRequests() {
    const created = await ask('mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }', {
      input: { url: `${receiver.url}/${of('webhookPath')}`, description: of('description') },
    })
    expect(created).toBeDefined()
    // The second attempt delivers it.
    receiver.answer = 500
    const headers = {
      'x-request-id': `of ${of('requestId')}, who asks`,
      'user-agent': of('userAgent'),
      referer: `https://desk.example/${of('referer')}`,
      cookie: `session=${of('cookie')}`,
      'x-forwarded-for': of('forwarded'),
      forwarded: `for=${of('forwarded')}`,
      origin: `https://${of('origin')}.example`,
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      tracestate: `desk=${of('baggage')}`,
      baggage: `applicant=${of('baggage')}`,
    }
    // Runs through Apollo and then prepared, each with the same key again.
    for (let use = 1; use <= 4; use++)
      await post(JSON.stringify({ query: PREDICT, variables: { input: application() } }), headers)
    await ask(BATCH, { items: [application(), { ...application(), applicantId: of('otherApplicant'), idempotencyKey: null }] })
    await ask('query($key: String!) { predictionByKey(idempotencyKey: $key) { id } }', { key: of('idempotencyKey') })
    const page = await ask(
      'query($f: PredictionFilter, $id: ID!) { predictions(first: 1, filter: $f) { nodes { id features { name number } } edges { cursor } total { count } } applicant(id: $id) { latestPrediction { id } } }',
      { f: { applicantId: of('applicantId'), channel: of('channel').slice(0, 32) }, id: of('applicantId') },
    )
    const [first] = (page as never as { predictions: { nodes: { id: string }[] } }).predictions.nodes
    await ask(RECORD, { input: { predictionId: first?.id, defaulted: true, observedAt: new Date().toISOString() } })
    await ask(
      'query($a: String) { predictions(first: 1, after: $a) { nodes { id } } alerts(first: 1, after: $a) { nodes { id } } }',
      {
        a: of('cursor'),
      },
    )
    await ask('query($id: ID!) { prediction(id: $id) { id } applicant(id: $id) { latestPrediction { id } } }', {
      id: of('search for id'),
    })
    await ask('mutation($id: ID!) { acknowledgeAlert(input: {alertId: $id}) { alert { id } } }', { id: of('search for id') })
    const issued = await ask('mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }', {
      input: { description: of('description'), principal: 'key-holder', roles: ['ADMIN'] },
    })
    apiKey = (issued as never as { createApiKey: { key: string } }).createApiKey.key
    // Sends the key unchanged and changed, to every endpoint.
    for (const text of [apiKey, `${apiKey}x`, apiKey.slice(0, -1)]) {
      await post('{"query":"{ viewer { id } }"}', { authorization: `Bearer ${text}` })
      await keep(await call('/graphql/stream', { headers: { authorization: `Bearer ${text}` } }))
    }
    await receiver.received(1)
    receiver.answer = 204
    await receiver.received(3)
    await ask(PREDICT, { input: { ...application(), applicantId: of('erased'), idempotencyKey: null } })
    const erased = await ask('mutation($id: ID!) { eraseApplicant(input: {applicantId: $id}) { erased } }', { id: of('erased') })
    expect(erased).toEqual({ eraseApplicant: { erased: 1 } })
  }

  async function hostileRequests() {
    const scored = await ask(PREDICT, { input: { ...application(), applicantId: 'with an outcome', idempotencyKey: null } })
    const { id } = (scored as never as { predictRisk: { prediction: { id: string } } }).predictRisk.prediction
    const inputs = hostileApplications(of('hostile'), of('name of key'))
    for (const { json } of inputs) await post(`{"query":${JSON.stringify(PREDICT)},"variables":{"input":${json}}}`)
    const rows = inputs.filter(({ json, refuses }) => refuses === 'row' && json.length < 5_000).map(({ json }) => json)
    for (let at = 0; at < rows.length; at += 100) {
      await post(`{"query":${JSON.stringify(BATCH)},"variables":{"items":[${rows.slice(at, at + 100).join(',')}]}}`)
    }
    for (const { json } of hostileOutcomes(of('hostile'), id, of('name of key'))) {
      await post(`{"query":${JSON.stringify(RECORD)},"variables":{"input":${json}}}`)
    }
    for (const text of [...printableTexts(of('hostile')), ...Object.values(hostileTexts(of('hostile')))]) {
      await ask(PREDICT, { input: { ...application(), applicantId: text, idempotencyKey: null } })
      await ask('query($id: ID!) { applicant(id: $id) { latestPrediction { id } } }', { id: text })
      await ask('query($f: PredictionFilter) { predictions(filter: $f) { nodes { id } } }', { f: { channel: text, model: text } })
      await ask('mutation($id: ID!) { eraseApplicant(input: {applicantId: $id}) { erased } }', { id: text })
      await ask('query($k: String!) { predictionByKey(idempotencyKey: $k) { id } }', { k: text })
      await ask('mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { secret } }', {
        input: { url: `https://${text}.example`, description: text },
      })
    }
  }

  async function hostileTransport() {
    const [name, value] = [of('name in document'), of('query')]
    for (const query of [
      `{ ${name} }`,
      `{ viewer { ${name} } }`,
      `query ${name} { viewer { id } } # ${value}`,
      `# ${value}\n{`,
      `{ viewer(${name}: "${value}") { id } }`,
      `{ prediction(id: "${value}", x: ${name}) { id } }`,
      `{ predictions(first: "${value}") { nodes { id } } }`,
      `{ predictions(filter: {bands: ["${value}"], createdAt: {from: "${value}"}}) { nodes { id } } }`,
      `{ predictions(after: "${value}", filter: {applicantId: "${value}", channel: "\\n${value}"}) { nodes { id } } }`,
      `fragment ${name} on Viewer { id } { viewer { id } }`,
      `query($${name}: ID!) { viewer { id } }`,
    ]) {
      await post(JSON.stringify({ query, operationName: of('operationName'), variables: { [of('variable')]: of('variable') } }))
      await post(JSON.stringify({ query, variables: { [of('variable')]: { a: of('variable') } } }))
    }
    for (const body of [
      `{"${of('body')}`,
      `"${of('body')}"`,
      `{"__proto__":"${of('body')}"}`,
      `{"query":["${of('body')}"]}`,
      `{"query":"{ viewer { id } }","variables":"${of('body')}"}`,
      of('body').repeat(60_000),
    ]) {
      await post(body)
      await post(body, { 'content-type': `text/${of('body')}` })
    }
    for (const path of [
      `/graphql?query={prediction(id:"${of('search')}"){id}}`,
      `/graphql?query={viewer{id}}&variables={"a":"${of('search')}"}`,
      `/${of('path')}`,
      `/graphql/${of('path')}`,
      `/%${of('path')}`,
      `/graphql/stream?query=${of('search')}&token=${of('token')}`,
      `/playground?token=${of('token')}`,
      `/assets/${of('path')}.js`,
      `/metrics?${of('search')}`,
    ]) {
      await keep(await call(path, {}))
      await keep(await call(path, { headers: { 'apollo-require-preflight': '1' } }))
    }
    for (const authorization of [
      `Bearer ${of('token')}`,
      `Bearer ${of('token')}.${of('token')}.${of('token')}`,
      `Basic ${Buffer.from(of('token')).toString('base64')}`,
      of('token'),
      `Bearer ${token}${of('token')}`,
    ]) {
      await post('{"query":"{ viewer { id } }"}', { authorization })
    }
    for (const bytes of [
      `GET /${of('path')} HTTP/9.9\r\n\r\n`,
      `${of('path')}\r\n\r\n`,
      `POST /graphql HTTP/1.1\r\nHost: x\r\n${of('path')} : y\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${of('path').repeat(2_000)}\r\n\r\n`,
    ]) {
      const tcp = connect(Number(new URL(gateway.url).port), '127.0.0.1')
      tcp.on('data', text => {
        seen.answers += text
      })
      tcp.on('error', () => {})
      tcp.end(bytes)
      // Not `once`, which rejects if the server resets the connection.
      await new Promise(resolve => tcp.once('close', resolve))
    }
  }

  async function sockets() {
    const messages = [
      `{"type":"subscribe","id":"${of('socketMessage')}","payload":{"query":"subscription { highRiskScored(after: \\"${of('cursor')}\\") { id } }"}}`,
      `{"type":"subscribe","id":"1","payload":{"query":"subscription { ${of('name in document')} }","operationName":"${of('socketMessage')}"}}`,
      `{"type":"subscribe","id":"2","payload":{"query":"${of('socketMessage')}","variables":{"a":"${of('socketMessage')}"}}}`,
      `{"type":"subscribe","id":"3","payload":{"query":"mutation { predictRisk(input: {applicantId: \\"${of('socketMessage')}\\"}) { replayed } }"}}`,
      `{"type":"${of('socketMessage')}"}`,
    ]
    for (const authorization of [`Bearer ${token}`, `Bearer ${of('socketToken')}`]) {
      const socket = new WebSocket(
        `${gateway.url.replace('http', 'ws')}/graphql?token=${of('socketToken')}`,
        'graphql-transport-ws',
      )
      await once(socket, 'open')
      // A message repeats the id that the client chose for its subscription, so only the payload is recorded.
      socket.on('message', text => {
        seen.answers += `${JSON.stringify(JSON.parse(String(text)).payload ?? null)}\n`
      })
      const closed = once(socket, 'close')
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization, user: of('socketMessage') } }))
      if (authorization.endsWith(token)) await once(socket, 'message')
      for (const message of messages) socket.send(message)
      seen['close frames'] += `${(await closed).join(' ')}\n`
    }
    for (const query of [of('query'), `subscription { highRiskScored(after: "${of('cursor')}") { id } }`, '{ viewer { id } }']) {
      const headers = { accept: 'text/event-stream', 'content-type': 'application/json' }
      await keep(
        await call('/graphql/stream', {
          method: 'POST',
          body: JSON.stringify({ query, operationName: of('operationName') }),
          headers,
        }),
      )
    }
  }

  async function failingDatabase() {
    const calls = async () => {
      const answers = [
        ask(PREDICT, { input: { ...application(), idempotencyKey: `${of('idempotencyKey')}-${Math.random()}` } }),
        ask(BATCH, { items: [application(), { ...application(), applicantId: of('otherApplicant'), idempotencyKey: null }] }),
        ask('query($f: PredictionFilter) { predictions(filter: $f) { nodes { id } } }', {
          f: { applicantId: of('applicantId') },
        }),
        ask('query($id: ID!) { applicant(id: $id) { latestPrediction { id } } }', { id: of('applicantId') }),
        ask('query($key: String!) { predictionByKey(idempotencyKey: $key) { id } }', { key: of('idempotencyKey') }),
        ask('mutation($id: ID!) { eraseApplicant(input: {applicantId: $id}) { erased } }', { id: of('otherApplicant') }),
        ask('mutation($input: CreateWebhookInput!) { createWebhook(input: $input) { secret } }', {
          input: { url: `${receiver.url}/${of('webhookPath')}`, description: of('description') },
        }),
      ]
      await Promise.all(answers)
    }
    const serves = async () => (await call('/readyz', {})).status === 200
    // PostgreSQL then puts the whole row into the details of its error.
    await sql`alter table predictions add constraint broken check (probability < 0) not valid`
    await calls()
    await sql`alter table predictions drop constraint broken`
    await sql`alter table predictions rename to predictions_away`
    await calls()
    await sql`alter table predictions_away rename to predictions`
    const frozen = state.postgresProcesses()
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    await calls()
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
    await until(serves, 30_000)
    process.kill(state.postmaster(), 'SIGKILL')
    await calls()
    await until(serves, 30_000)
    await calls()
    await redis.kill()
    await calls()
    redis = await startRedis(Number(new URL(redis.url).port))
    await until(serves, 30_000)
    await ask(PREDICT, { input: { ...application(), idempotencyKey: null } })
  }

  async function exports() {
    const range = ['--from', '2026-01-01', '--to', '2030-01-01', '--tenant', 'bank', '--features']
    const environment = { ...TEST_KEY, DATABASE_URL: server.url, TMPDIR: temporary }
    for (const [file, status] of [
      [join(state.path, 'postgres', 'export.csv'), 0],
      [join(temporary, 'none', 'x.csv'), 1],
    ] as const) {
      const ended = await runCommand(['export', ...range, '--output', file], environment, cwd)
      expect({ file, status: ended.status, stderr: ended.stderr }).toMatchObject({ status })
      seen.commands += ended.stdout + ended.stderr
    }
  }

  /** Every file below a folder, except below the folders of these names. */
  function filesBelow(folder: string, without: readonly string[] = []): string[] {
    return readdirSync(folder).flatMap(name => {
      const path = join(folder, name)
      if (without.includes(name)) return []
      return statSync(path).isDirectory() ? filesBelow(path) : [path]
    })
  }

  const all = () => [
    ...Object.values(canary),
    { field: 'access token', value: token },
    { field: 'API key', value: apiKey.slice(-24) },
    ...Object.entries(NUMBERS).map(([field, value]) => ({ field, value: String(value) })),
  ]

  it('was in the database and at the receiver, and every kind of answer was provoked', async () => {
    const [stored] = await sql<{ rows: number }[]>`
      select count(*)::int as rows from predictions where applicant_id = ${of('applicantId')} and features->>'income' = ${NUMBERS.income}`
    expect(stored?.rows).toBeGreaterThan(2)
    expect(receiver.calls.some(({ body, path }) => body.includes(of('applicantId')) && path.includes(of('webhookPath')))).toBe(
      true,
    )
    expect(statuses.get(200)).toBeGreaterThan(50)
    expect(statuses.get(400)).toBeGreaterThan(400)
    for (const status of [401, 404, 413, 500, 503])
      expect({ status, count: statuses.get(status) }).toEqual({ status, count: expect.any(Number) })
    expect(seen['Redis commands']).toMatch(/"eval".*riskgate:latest:/i)
    expect(seen['Redis values']).toContain('"probability"')
    expect(exit.stdout.split('\n').length).toBeGreaterThan(500)
    expect(exit.stdout).toContain('unexpected error')
  })

  it('is in no log line at level debug, and standard error is empty', () => {
    expect(findCanaries(exit.stdout, all())).toEqual([])
    expect(exit.stderr).toBe('')
  })

  it('is in no answer outside its data, except that unknown names are repeated to their sender', () => {
    const values = all().filter(({ field }) => !field.startsWith('name '))
    expect(findCanaries(seen.answers, values)).toEqual([])
  })

  it.each(['close frames', 'commands', 'Redis keys', '/metrics', '/healthz', '/readyz', 'traces'] as const)(
    'is not in: %s',
    kind => {
      expect(seen[kind].length).toBeGreaterThan(0)
      expect(findCanaries(seen[kind], all())).toEqual([])
    },
  )

  it('is not in Redis values and commands, except the channel, which does not identify a person', () => {
    for (const kind of ['Redis commands', 'Redis values'] as const) {
      expect(
        findCanaries(
          seen[kind] ?? '',
          all().filter(({ field }) => field !== 'channel'),
        ),
      ).toEqual([])
    }
  })

  it('reaches a webhook only as the reference and the channel that its contract names', () => {
    const bodies = receiver.calls.map(({ body, headers }) => body + JSON.stringify(headers)).join('\n')
    const allowed = ['applicantId', 'otherApplicant', 'erased', 'channel', 'hostile']
    expect(
      findCanaries(
        bodies,
        all().filter(({ field }) => !allowed.includes(field)),
      ),
    ).toEqual([])
  })

  it('is in no temporary file and in no file of the state directory except the data of PostgreSQL', () => {
    const files = [...filesBelow(temporary), ...filesBelow(cwd), ...filesBelow(state.path, ['postgres'])]
    expect(files.some(file => file.endsWith('.log'))).toBe(true)
    const found = files.flatMap(file => findCanaries(readFileSync(file, 'latin1'), all()).map(form => `${file}: ${form}`))
    expect(found).toEqual([])
  })
})

describe('an uncaught error', () => {
  const directory = testFolder('crash')
  it('ends the gateway; its message, which may hold anything, is not in the log or on standard error', async () => {
    const bird = canaryOf('crash')
    const program = join(directory, 'crash.mjs')
    const line = `process.on('SIGUSR2', () => setImmediate(() => { throw new Error('for ${bird.value}', { cause: '${bird.value}' }) }))`
    writeFileSync(program, `${line}\n`)
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: database.url, NODE_OPTIONS: `--import=${program}` })
    process.kill(gateway.pid, 'SIGUSR2')
    const { status, stdout, stderr } = await gateway.exited
    expect(status).toBe(1)
    expect(stdout).toContain('nobody caught an error; the process ends')
    expect(findCanaries(stdout + stderr, [bird])).toEqual([])
  })
})

describe('a canary', () => {
  const bird = canaryOf('bird')
  it.each<[string, (value: string) => string]>([
    ['unchanged', value => value],
    ['in capitals', value => value.toUpperCase()],
    ['in base64', value => Buffer.from(value).toString('base64')],
    ['in base64 after one byte', value => Buffer.from(`1${value}2`).toString('base64')],
    ['in base64 after two bytes', value => Buffer.from(`12${value}345`).toString('base64')],
    ['in base64url', value => Buffer.from(`{"a":"${value}"}`).toString('base64url')],
    ['in hex', value => Buffer.from(value).toString('hex').toUpperCase()],
    ['in URL encoding', value => [...Buffer.from(value)].map(byte => `%${byte.toString(16).toUpperCase()}`).join('')],
    [
      'in escapes as JSON has them',
      value => [...value].map(letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
    ],
    ['backwards', value => [...value].reverse().join('')],
  ])('is found %s', (_how, written) => {
    expect(findCanaries(`before ${written(bird.value)} behind`, [bird])).not.toEqual([])
    expect(findCanaries(`before ${written(canaryOf('other').value)} behind`, [bird])).toEqual([])
  })
})
