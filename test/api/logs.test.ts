import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { ecsProblems } from '../support/ecs.js'
import { signToken, TEST_SECRET } from '../support/gateway.js'
import { HistoryDocument, PredictionByKeyDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { CANARY } from '../support/refused.js'

// The built program: `npm test` runs `npm run build` first.
const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

const { version: VERSION } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'))

type LogLine = Readonly<Record<string, unknown>>

describe('the log of a gateway', () => {
  let database: TestDatabase
  let stateDirectory: string
  let gateway: ChildProcess
  let client: GraphqlClient
  let output = ''
  let errorOutput = ''
  const errorIds: string[] = []

  beforeAll(async () => {
    database = await createTestDatabase()
    stateDirectory = await mkdtemp(join(tmpdir(), 'riskgate-logs-'))
    gateway = spawn(process.execPath, [PROGRAM], {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: database.url,
        RISKGATE_PORT: '0',
        RISKGATE_STATE_DIR: stateDirectory,
        RISKGATE_JWT_SECRET: TEST_SECRET,
        RISKGATE_LOG_LEVEL: 'debug',
        RISKGATE_DRAIN_MS: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    gateway.stderr?.on('data', (text: Buffer) => {
      errorOutput += text
    })
    const url = await new Promise<string>((resolve, reject) => {
      gateway.stdout?.on('data', (text: Buffer) => {
        output += text
        const listening = /"riskgate\.url":"([^"]+)"/.exec(output)?.[1]
        if (listening) resolve(listening)
      })
      gateway.once('exit', () => reject(new Error(`The gateway did not start: ${errorOutput}`)))
    })
    client = new GraphqlClient(url, await signToken({ roles: ['ADMIN'], subject: 'log-client', tenant: 'log-tenant' }))
    await goodRequests()
    await restRequests(url)
    await badRequests(url)
    await failingRequests()
    await until(() => output.includes('"audit sealed"'))
    gateway.kill('SIGTERM')
    await once(gateway, 'exit')
  })
  afterAll(async () => {
    gateway.kill('SIGKILL')
    await database[Symbol.asyncDispose]()
    await rm(stateDirectory, { recursive: true, force: true })
  })

  const personal = { ...application(`${CANARY}-applicant`, HIGH_RISK), channel: `${CANARY}-channel` }

  async function goodRequests() {
    const input = { ...personal, idempotencyKey: `${CANARY}-key` }
    for (let use = 1; use <= 3; use++) await client.data(PredictRiskDocument, { input })
    await client.data(PredictionByKeyDocument, { key: `${CANARY}-key` })
    await client.data(HistoryDocument, { filter: { applicantId: `${CANARY}-applicant`, channel: `${CANARY}-channel` } })
    await client.send(
      { query: `query { applicant(id: "${CANARY}-applicant") { latestPrediction { probability } } }` },
      { 'x-request-id': 'request-of-the-log-test' },
    )
  }

  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

  async function restRequests(url: string) {
    const token = await signToken({ roles: ['ADMIN'], subject: 'log-client', tenant: 'log-tenant' })
    const call = (path: string, init: RequestInit = {}) =>
      fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })
    const scored = await call('/api/predict', {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, baggage: CANARY },
      body: JSON.stringify({ model: 'consumer-credit', applicantId: `${CANARY}-applicant`, features: HIGH_RISK }),
    })
    const { id } = (await scored.json()) as { id: string }
    await call(`/api/predictions/${id}`)
    await call(`/api/predictions?applicantId=${CANARY}`)
    await call(`/api/models/${CANARY}`, { headers: { traceparent: CANARY } })
    await call(`/api/predict?${CANARY}=1`, { method: 'DELETE' })
  }

  async function badRequests(url: string) {
    const wrong = (features: Record<string, unknown>) => ({
      ...personal,
      features: { consumerCredit: { ...LOW_RISK, ...features } },
    })
    const query = 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }'
    for (const feature of Object.keys(LOW_RISK))
      await client.send({ query, variables: { input: wrong({ [feature]: `${CANARY}-${feature}` }) } })
    for (const field of ['applicantId', 'channel', 'idempotencyKey']) {
      await client.send({ query, variables: { input: { ...personal, [field]: `${CANARY}\n` } } })
      await client.send({ query, variables: { input: { ...personal, [field]: { value: CANARY } } } })
    }
    const reused = { ...personal, idempotencyKey: `${CANARY}-key`, channel: `${CANARY}-other` }
    await client.request(PredictRiskDocument, { input: reused })
    await client.request(HistoryDocument, { after: CANARY })
    await client.request(HistoryDocument, { filter: { channel: `${CANARY}\u0000` } })
    for (const text of [
      `{ ${CANARY} }`,
      `{ viewer { ${CANARY.replace('-', '_')} } }`,
      `# ${CANARY}`,
      `query ${CANARY.replace('-', '_')} { viewer { id } }`,
    ]) {
      await client.send({ query: text, operationName: CANARY })
      await client.send({ query: text })
    }
    await client.send(`{"${CANARY}`)
    await client.raw({ method: 'POST', headers: { 'content-type': CANARY }, body: CANARY })
    await client.raw({ method: 'GET' }, `?query=${CANARY}`)
    await fetch(`${url}/${CANARY}`)
    await fetch(`${url}/%${CANARY}`)
    await new GraphqlClient(url, CANARY).send({ query: `{ ${CANARY} }` })
    for (const subscriptions of [client.sockets(), client.eventStreams()]) {
      for (const query of [
        `subscription { highRiskScored(after: "${CANARY}") { id } }`,
        `subscription { ${CANARY} }`,
        CANARY,
        `subscription { highRiskScored { id } } # ${CANARY.repeat(10_000)}`,
      ]) {
        await subscriptions
          .iterate({ query })
          .next()
          .catch(() => {})
      }
      await subscriptions.dispose()
    }
  }

  /** Makes statements with personal parameters fail, because the database driver puts parameters into the error message. */
  async function failingRequests() {
    await database.sql.unsafe(
      `create function fail() returns boolean immutable language plpgsql as $$ begin raise 'failed'; end $$`,
    )
    await database.sql`alter table predictions rename to predictions_away`
    await database.sql`create view predictions as select * from predictions_away where fail() with check option`
    const answers = [
      await client.request(PredictRiskDocument, { input: personal }),
      await client.request(HistoryDocument, { filter: { applicantId: `${CANARY}-applicant` } }),
      await client.request(PredictionByKeyDocument, { key: `${CANARY}-key` }),
    ]
    await database.sql`drop view predictions`
    await database.sql`alter table predictions_away rename to predictions`
    for (const { status, errors } of answers) {
      expect({ status, errors }).toMatchObject({ status: 500, errors: [{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }] })
      expect(JSON.stringify(errors)).not.toMatch(new RegExp(`${CANARY}|predictions_away|node_modules`))
      errorIds.push(errors?.[0]?.extensions.errorId ?? '')
    }
  }

  const lines = () =>
    output
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as LogLine)

  it('holds no personal value anywhere', () => {
    expect(output.length).toBeGreaterThan(5_000)
    expect(output).not.toContain(CANARY)
    expect(output).not.toContain(CANARY.replace('-', '_'))
    expect(output).not.toContain(CANARY.slice(-6))
  })

  it('goes to standard output only', () => {
    expect(errorOutput).toBe('')
  })

  it('has the names and types of the Elastic Common Schema in every line, and what every line needs', () => {
    expect(new Set(lines().map(({ message }) => message)).size).toBeGreaterThan(6)
    for (const line of lines()) expect({ line, problems: ecsProblems(line) }).toEqual({ line, problems: [] })
    expect(lines()).toContainEqual(expect.objectContaining({ 'service.name': 'riskgate', 'service.version': VERSION }))
  })

  it('has the rest of a line below our own name', () => {
    const own = new Set(
      lines()
        .flatMap(Object.keys)
        .filter(name => name.startsWith('riskgate.')),
    )
    expect([...own]).toEqual(expect.arrayContaining(['riskgate.operation', 'riskgate.tenant', 'riskgate.seal', 'riskgate.hash']))
  })

  it('has the fields that the recipes of log shippers name', () => {
    const namesIn = (file: string, pattern: RegExp) =>
      [...readFileSync(fileURLToPath(new URL(`../../deploy/${file}`, import.meta.url)), 'utf8').matchAll(pattern)].map(
        ([, name = '']) => name,
      )
    const named = [
      // The name of the container comes from Docker.
      ...namesIn('fluent-bit/fluent-bit.yaml', /=\$(?!container_name)([\w.]+)/g),
      ...namesIn('logging/fluent-bit.yaml', /time_key: "(.+)"/g),
      ...namesIn('logging/promtail.yaml', /: '"(.+)"'/g),
      ...namesIn('logging/riskgate.alloy', /\\"([^"\\]+)\\"/g),
    ]
    expect(named).toHaveLength(8)
    const known = new Set(lines().flatMap(Object.keys))
    expect(named.filter(name => !known.has(name))).toEqual([])
  })

  it('has the id, operation, outcome, status, duration and caller of each request', () => {
    const requests = lines().filter(({ message }) => message === 'request')
    expect(requests.length).toBeGreaterThan(30)
    for (const request of requests) {
      expect(request).toMatchObject({
        'log.level': 'info',
        'http.request.id': expect.stringMatching(/^[\w.-]{1,64}$/),
        'http.request.method': expect.stringMatching(/^(GET|POST)$/),
        'http.response.status_code': expect.any(Number),
        'url.path': expect.stringMatching(/^\/(graphql|api\/[a-z/{}]+)$/),
        'riskgate.operation': expect.stringMatching(/^(\w+)$/),
        'event.outcome': request['error.code'] === undefined ? 'success' : 'failure',
        'event.duration': expect.any(Number),
        'user.id': 'log-client',
        'riskgate.tenant': 'log-tenant',
      })
    }
    const applicant = { 'http.request.id': 'request-of-the-log-test', 'riskgate.operation': 'applicant' }
    expect(requests).toContainEqual(expect.objectContaining({ ...applicant, 'event.outcome': 'success' }))
    const reused = { 'error.code': 'IDEMPOTENCY_KEY_REUSED', 'event.outcome': 'failure', 'http.response.status_code': 422 }
    expect(requests).toContainEqual(expect.objectContaining(reused))
  })

  it('has one line for each call of the REST door, by its route and without its query', () => {
    const rest = lines().filter(line => String(line['url.path']).startsWith('/api/'))
    expect(rest.map(line => [line.message, line['url.path'], line['http.response.status_code'], line['error.code']])).toEqual([
      ['request', '/api/predict', 200, undefined],
      ['request', '/api/predictions/{id}', 200, undefined],
      ['request', '/api/predictions', 200, undefined],
      ['request', '/api/models/{name}', 404, 'MODEL_NOT_FOUND'],
    ])
    const wrongMethod = lines().find(line => line['http.request.method'] === 'DELETE')
    expect(wrongMethod).toMatchObject({ message: 'request refused', 'http.response.status_code': 405 })
    expect(wrongMethod).not.toHaveProperty(['url.path'])
  })

  it('has the trace that a caller names in the standard form, and nothing of its baggage', () => {
    const traced = lines().filter(line => line['trace.id'] !== undefined)
    expect(traced).toMatchObject([{ 'trace.id': TRACE, 'riskgate.operation': 'predict' }])
  })

  it('has the end of each subscription, over WebSocket and server-sent events', () => {
    const ended = lines().filter(line => line.message === 'subscription ended' && line['riskgate.operation'] === 'highRiskScored')
    expect(ended).toHaveLength(2)
    for (const subscription of ended) {
      expect(subscription).toMatchObject({
        'log.level': 'info',
        'http.request.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
        'error.code': 'BAD_CURSOR',
        'event.duration': expect.any(Number),
        'user.id': 'log-client',
        'riskgate.tenant': 'log-tenant',
      })
    }
  })

  it('names each unexpected error by the id that its caller received', () => {
    expect(errorIds).toHaveLength(3)
    for (const errorId of errorIds) {
      const found = lines().filter(line => line['error.id'] === errorId)
      const stack = expect.stringMatching(/^at .+\n/)
      expect(found).toMatchObject([{ 'log.level': 'error', 'error.code': 'P0001', 'error.stack_trace': stack }])
    }
  })

  it('has no line at level error for mistakes of callers', () => {
    const unexpected = lines().filter(line => line['log.level'] === 'error')
    expect(unexpected.map(line => line['error.id'])).toEqual(errorIds)
  })
})
