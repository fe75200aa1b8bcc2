import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { print } from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ApiKeys } from '../../src/auth/apiKeys.js'
import { createKey, keysChecked, revokeKey, type TestKey } from '../support/apiKeys.js'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  AlertCursorDocument,
  ApiKeysDocument,
  HighRiskScoredDocument,
  HistoryDocument,
  PredictionByKeyDocument,
  PredictRiskDocument,
  ViewerDocument,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { subscribe } from '../support/subscription.js'

const RUNS = 10
const ADMIN = { roles: ['ADMIN'], subject: 'operator' } as const
const REVOKED_WITHIN_MS = 1_000

async function codeOf(client: GraphqlClient): Promise<string> {
  const { errors } = await client.request(ViewerDocument, {})
  return errors?.[0]?.extensions.code ?? 'OK'
}

async function metricsStatus({ url }: { readonly url: string }, key: TestKey): Promise<number> {
  const { status } = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${key.text}` } })
  return status
}

/** An event stream: all its text once it has ended, and the text so far. */
function eventStream({ url }: { readonly url: string }, key: TestKey) {
  const began = fetch(`${url}/graphql/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${key.text}` },
    body: JSON.stringify({ query: print(HighRiskScoredDocument) }),
  })
  return { began, ended: began.then(response => response.text()) }
}

describe('two gateways on one Postgres', () => {
  let first: TestGateway
  let second: TestGateway
  let admin: GraphqlClient
  beforeAll(async () => {
    first = await startGateway()
    second = await startGateway({}, first.database)
    admin = await first.as(ADMIN)
  })
  afterAll(async () => {
    await second[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
  })

  it('accept the same keys, and refuse a key after the next check of each gateway', async () => {
    const delays: number[] = []
    for (let run = 0; run < RUNS; run++) {
      const key = await createKey(admin)
      const clients = [key.at(first), key.at(second)]
      for (const client of clients) expect(await codeOf(client)).toBe('OK')
      // The revocation comes at a random moment between two checks.
      await sleep(Math.random() * 300)
      await revokeKey(admin, key)
      const revokedAt = performance.now()
      expect(await codeOf(key.at(first))).toBe('UNAUTHENTICATED')
      await keysChecked(2)
      delays.push(performance.now() - revokedAt)
      for (const client of clients) expect(await codeOf(client)).toBe('UNAUTHENTICATED')
    }
    process.stdout.write(`revocation on the other replica: at most ${Math.max(...delays).toFixed(0)} ms in ${RUNS} runs\n`)
  })

  it('end the sockets and event streams of a revoked key, and no others', async () => {
    const [key, other] = [await createKey(admin, { roles: ['MONITOR'] }), await createKey(admin, { roles: ['MONITOR'] })]
    for (const gateway of [first, second]) {
      await using lasting = subscribe(other.at(gateway), HighRiskScoredDocument, {})
      const stays = lasting.next()
      const revoked = await createKey(admin, { roles: ['MONITOR'], principal: 'monitor' })
      await using socket = subscribe(revoked.at(gateway), HighRiskScoredDocument, {})
      const next = socket.next().catch(() => 'ended')
      const stream = eventStream(gateway, revoked)
      await stream.began
      await expect.poll(() => metric(gateway, 'riskgate_alert_subscribers')).toBe(3)
      await revokeKey(admin, revoked)
      await keysChecked(2)
      expect(await socket.closed).toBe(4401)
      expect(await next).toBe('ended')
      expect(await stream.ended).toMatch(/"The credential was withdrawn\."[^\n]+"UNAUTHENTICATED"[^\n]+\n\nevent: complete\n/)
      await expect.poll(() => metric(gateway, 'riskgate_alert_subscribers')).toBe(1)
      const scorer = await createKey(admin)
      await scorer.at(gateway).data(PredictRiskDocument, { input: application('for-the-other', HIGH_RISK) })
      await stays
    }
    expect(await codeOf(key.at(second))).toBe('OK')
  })

  it('end calls, sockets and event streams of a key when it expires', async () => {
    const key = await createKey(admin, { roles: ['MONITOR'], expiresAt: new Date(Date.now() + 3_000) })
    const socket = subscribe(key.at(second), HighRiskScoredDocument, {})
    socket.next().catch(() => {})
    const stream = eventStream(second, key)
    await stream.began
    expect(await codeOf(key.at(first))).toBe('OK')
    expect(await socket.closed).toBe(4401)
    expect(await stream.ended).toContain('The API key has expired; ask for a new one.')
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(key.apiKey.expiresAt))
    for (const gateway of [first, second]) expect(await codeOf(key.at(gateway))).toBe('UNAUTHENTICATED')
  })

  it('answer a retry with the first answer even after the API key was replaced', async () => {
    const [old, replacement] = [await createKey(admin), await createKey(admin)]
    const input = { ...application('a-1', HIGH_RISK), idempotencyKey: 'over-the-rotation' }
    const one = await old.at(first).data(PredictRiskDocument, { input })
    await revokeKey(admin, old)
    const two = await replacement.at(second).data(PredictRiskDocument, { input })
    expect(two.predictRisk).toMatchObject({ replayed: true, prediction: { id: one.predictRisk.prediction.id } })
    const { predictionByKey } = await replacement.at(first).data(PredictionByKeyDocument, { key: input.idempotencyKey })
    expect(predictionByKey).toMatchObject({ id: one.predictRisk.prediction.id, requestedBy: 'web-shop' })
    const stranger = await createKey(admin, { principal: 'mobile-shop' })
    expect((await stranger.at(first).data(PredictRiskDocument, { input })).predictRisk.replayed).toBe(false)
  })

  it('separate keys of two tenants whose principals have the same name', async () => {
    const input = { ...application('a-1', HIGH_RISK), idempotencyKey: 'of-two-tenants' }
    const other = await createKey(await first.as({ ...ADMIN, tenant: 'other' }))
    const own = await createKey(admin)
    const { predictRisk } = await own.at(first).data(PredictRiskDocument, { input })
    expect((await other.at(second).data(PredictRiskDocument, { input })).predictRisk.replayed).toBe(false)
    expect((await other.at(second).data(PredictionByKeyDocument, { key: input.idempotencyKey })).predictionByKey?.id).not.toBe(
      predictRisk.prediction.id,
    )
  })

  it.each([
    ['/graphql/stream', 'text/event-stream', print(HighRiskScoredDocument), 'The credential was withdrawn.'],
    ['/graphql', 'application/json', '{ viewer { id } }', 'The API key is not valid here; ask for a new one.'],
  ])('refuse a request at %s whose body comes only after its key was revoked', async (path, accept, query, why) => {
    const key = await createKey(admin, { roles: ['MONITOR'] })
    const authenticate = vi.spyOn(ApiKeys.prototype, 'authenticate')
    const body = JSON.stringify({ query })
    const slow = request(`${second.url}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        accept,
        authorization: `Bearer ${key.text}`,
      },
    })
    slow.write(body.slice(0, 10))
    await until(() => authenticate.mock.settledResults[0]?.type === 'fulfilled')
    authenticate.mockRestore()
    await revokeKey(admin, key)
    await until(async () => (await codeOf(key.at(second))) === 'UNAUTHENTICATED')
    slow.end(body.slice(10))
    const [response] = (await once(slow, 'response')) as [IncomingMessage]
    const answer = await text(response)
    expect(answer).toContain(why)
    expect(answer).not.toContain('"data":{')
  })
})

it('still accepts the keys that it knows while slow reads occupy all connections for reads', async () => {
  await using gateway = await startGateway({ RISKGATE_DATABASE_POOL_SIZE: '4' })
  const key = await createKey(await gateway.as(ADMIN))
  const [known, analyst] = [key.at(gateway), await gateway.as({ roles: ['ANALYST'] })]
  expect(await codeOf(known)).toBe('OK')
  await gateway.database.sql.begin(async sql => {
    await sql`lock table predictions in access exclusive mode`
    const until = performance.now() + 2_500
    const pages = Array.from({ length: 4 }, async () => {
      while (performance.now() < until) await analyst.request(HistoryDocument, {})
    })
    while (performance.now() < until) expect(await codeOf(known)).toBe('OK')
    await Promise.all(pages)
  })
})

it('stores when keys were last used before it stops', async () => {
  await using first = await startGateway()
  const admin = await first.as(ADMIN)
  const [used, unused] = [await createKey(admin), await createKey(admin)]
  const before = Date.now()
  {
    await using second = await startGateway({}, first.database)
    expect(await codeOf(used.at(second))).toBe('OK')
  }
  const { nodes } = (await admin.data(ApiKeysDocument, {})).apiKeys
  const at = Date.parse(present(nodes.find(({ id }) => id === used.id)?.lastUsedAt))
  expect(at).toBeGreaterThanOrEqual(before)
  expect(at).toBeLessThanOrEqual(Date.now())
  expect(nodes.find(({ id }) => id === unused.id)?.lastUsedAt).toBeNull()
})

describe.skipIf(process.platform !== 'linux')('a gateway whose PostgreSQL freezes', () => {
  let state: StateDirectory
  let gateway: GatewayProcess
  beforeAll(async () => {
    state = preparedStateDirectory()
    gateway = await spawnGateway({ RISKGATE_STATE_DIR: state.path, ...TEST_KEY })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await state[Symbol.asyncDispose]()
  })

  it('refuses API keys after a second, keeps sockets open, and accepts keys once PostgreSQL answers', async () => {
    const admin = await gateway.as(ADMIN)
    const key = await createKey(admin, { roles: ['MONITOR', 'SCORER'] })
    const { alertCursor } = await key.at(gateway).data(AlertCursorDocument, {})
    await using socket = subscribe(key.at(gateway), HighRiskScoredDocument, { after: alertCursor })
    await untilScored(key.at(gateway), 'before')
    await socket.next()
    const next = socket.next()
    let isClosed = false
    void socket.closed.then(() => {
      isClosed = true
    })
    const connected = await gateway.as({ roles: ['MONITOR'] })
    const frozen = state.postgresProcesses()
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    const frozenAt = performance.now()
    try {
      let letInAt = frozenAt
      await until(async () => {
        const askedAt = performance.now()
        if ((await codeOf(key.at(gateway))) !== 'OK') return true
        letInAt = askedAt
        return false
      })
      expect(letInAt - frozenAt).toBeLessThan(REVOKED_WITHIN_MS)
      const { status, errors, headers } = await key.at(gateway).request(ViewerDocument, {})
      expect({ status, ...errors?.[0]?.extensions }).toMatchObject({ status: 503, code: 'SERVICE_UNAVAILABLE', retryable: true })
      expect(headers.get('www-authenticate')).toBeNull()
      const late = subscribe(key.at(gateway), HighRiskScoredDocument, {})
      late.next().catch(() => {})
      // Clients connect again after 1013, but not after 4401.
      expect(await late.closed).toBe(1013)
      // The metrics of an outage must be seen, and Prometheus has a key.
      expect(await metricsStatus(gateway, key)).toBe(200)
      // The check of a token needs no database.
      expect(await codeOf(connected)).toBe('OK')
      expect(isClosed).toBe(false)
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await codeOf(key.at(gateway))) === 'OK')
    const { predictRisk } = await untilScored(key.at(gateway), 'after')
    expect((await next).highRiskScored.id).toBe(predictRisk.prediction.id)
    expect(isClosed).toBe(false)
    await revokeKey(admin, key)
    expect(await socket.closed).toBe(4401)
  })
})

async function untilScored(client: GraphqlClient, idempotencyKey: string) {
  const input = { ...application('a-1', HIGH_RISK), idempotencyKey }
  for (;;) {
    const { data, errors } = await client.request(PredictRiskDocument, { input })
    if (data) return data
    if (errors?.[0]?.extensions.retryable !== true) throw new Error(JSON.stringify(errors))
  }
}
