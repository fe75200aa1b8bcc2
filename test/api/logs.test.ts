import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { signToken, TEST_SECRET } from '../support/gateway.js'
import { HistoryDocument, PredictionByKeyDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { CANARY } from '../support/refused.js'

// The built program: `npm test` runs `npm run build` first.
const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

type LogLine = { readonly level: string; readonly msg: string } & Record<string, unknown>

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
        const listening = /"url":"([^"]+)"/.exec(output)?.[1]
        if (listening) resolve(listening)
      })
      gateway.once('exit', () => reject(new Error(`The gateway did not start: ${errorOutput}`)))
    })
    client = new GraphqlClient(url, await signToken({ roles: ['ADMIN'], subject: 'log-client', tenant: 'log-tenant' }))
    await goodRequests()
    await badRequests(url)
    await failingRequests()
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
    await database.sql`alter table predictions rename to predictions_away`
    const answers = [
      await client.request(PredictRiskDocument, { input: personal }),
      await client.request(HistoryDocument, { filter: { applicantId: `${CANARY}-applicant` } }),
      await client.request(PredictionByKeyDocument, { key: `${CANARY}-key` }),
    ]
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

  it('is JSON in every line, with level, time and message', () => {
    for (const line of lines()) {
      expect(line).toMatchObject({ level: expect.stringMatching(/^(debug|info|warn|error)$/), msg: expect.any(String) })
      expect(Date.parse(String(line.time))).toBeGreaterThan(0)
    }
  })

  it('has the id, operation, code, duration and caller of each request', () => {
    const requests = lines().filter(({ msg }) => msg === 'request')
    expect(requests.length).toBeGreaterThan(30)
    for (const request of requests) {
      expect(request).toMatchObject({
        level: 'info',
        requestId: expect.stringMatching(/^[\w.-]{1,64}$/),
        operation: expect.stringMatching(/^(\w+)$/),
        code: expect.stringMatching(/^[A-Z_]+$/),
        durationMs: expect.any(Number),
        principal: 'log-client',
        tenant: 'log-tenant',
      })
    }
    expect(requests).toContainEqual(
      expect.objectContaining({ requestId: 'request-of-the-log-test', operation: 'applicant', code: 'OK' }),
    )
    expect(requests).toContainEqual(expect.objectContaining({ operation: 'predictRisk', code: 'IDEMPOTENCY_KEY_REUSED' }))
  })

  it('has the end of each subscription, over WebSocket and server-sent events', () => {
    const ended = lines().filter(({ msg, operation }) => msg === 'subscription ended' && operation === 'highRiskScored')
    expect(ended).toHaveLength(2)
    for (const subscription of ended) {
      const caller = { principal: 'log-client', tenant: 'log-tenant' }
      const requestId = expect.stringMatching(/^[0-9a-f-]{36}$/)
      expect(subscription).toMatchObject({
        level: 'info',
        requestId,
        code: 'BAD_CURSOR',
        durationMs: expect.any(Number),
        ...caller,
      })
    }
  })

  it('names each unexpected error by the id that its caller received', () => {
    expect(errorIds).toHaveLength(3)
    for (const errorId of errorIds) {
      const found = lines().filter(line => line.errorId === errorId)
      expect(found).toMatchObject([{ level: 'error', code: '42P01', at: expect.any(Array) }])
    }
  })

  it('has no line at level error for mistakes of callers', () => {
    const unexpected = lines().filter(({ level }) => level === 'error')
    expect(unexpected.map(({ errorId }) => errorId)).toEqual(errorIds)
  })
})
