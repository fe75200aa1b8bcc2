import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { print } from 'graphql'
import type { Client } from 'graphql-sse'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Tokens } from '../../src/auth/tokens.js'
import { AppError } from '../../src/errors.js'
import { HistoryStore } from '../../src/storage/history/historyStore.js'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { type GraphqlClient, nextEvent, subscribeTo } from '../support/client.js'
import { type Caller, signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument, HighRiskScoredDocument, HighRiskScoredInFullDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { CANARY } from '../support/refused.js'
import { score } from '../support/stored.js'

// What a request in hand has to be answered in when the gateway stops.
const GRACE_MS = 5_000
const WATCH = 'subscription($after: String) { highRiskScored(after: $after) { id cursor } }'

let gateway: TestGateway
const opened: Client[] = []
const printed = vi.spyOn(console, 'error')
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(async () => {
  for (const streams of opened.splice(0)) streams.dispose()
  await subscribers(0)
  expect(printed).not.toHaveBeenCalled()
})
afterAll(() => gateway[Symbol.asyncDispose]())

function streamsOf(client: GraphqlClient): Client {
  const streams = client.eventStreams()
  opened.push(streams)
  return streams
}

/** A new tenant for each test: a client that scores, one that listens, and its streams. */
async function tenantOf(tenant: string, listening: Caller['roles'] = ['MONITOR']) {
  const scorer = await gateway.as({ roles: ['SCORER'], tenant })
  const monitor = await gateway.as({ roles: listening, tenant })
  const { alertCursor: after } = await (await gateway.as({ roles: ['ADMIN'], tenant })).data(AlertCursorDocument, {})
  return { scorer, monitor, streams: streamsOf(monitor), after }
}

const subscribers = (count: number) =>
  vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(count), {
    timeout: 5_000,
    interval: 10,
  })

/** All results of a stream until it ends. */
async function all(streams: Client, request: Parameters<Client['iterate']>[0]) {
  const results: unknown[] = []
  for await (const result of streams.iterate(request)) results.push(result)
  return results
}

async function stream(body: unknown, init: RequestInit & { token?: string; search?: string } = {}): Promise<Response> {
  const { token = await signToken({ roles: ['ADMIN'] }), search = '', ...rest } = init
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...rest.headers }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${gateway.url}/graphql/stream${search}`, {
    method: 'POST',
    ...(body !== undefined && { body: text }),
    ...rest,
    headers,
  })
}

/** The text of a stream up to the first piece that ends with this. */
async function textUntil(response: Response, end: string): Promise<string> {
  let text = ''
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(piece).toString()
    if (text.endsWith(end)) return text
  }
  return text
}

describe('an event stream', () => {
  it('sends each high-risk score with all its fields, and no other score', async () => {
    const { scorer, streams } = await tenantOf('sse-live', ['ANALYST'])
    const events = subscribeTo(streams, HighRiskScoredInFullDocument, {})
    const event = nextEvent(events)
    await subscribers(1)
    await score(scorer, 'low', LOW_RISK)
    const prediction = await score(scorer, 'high', HIGH_RISK)
    expect((await event).highRiskScored).toMatchObject({
      id: prediction.id,
      cursor: expect.stringMatching(/^\S{16,}$/),
      prediction: {
        ...prediction,
        applicant: { id: 'high' },
        features: expect.arrayContaining([{ name: 'price', number: 1600 }]),
      },
    })
  })

  it('misses and repeats no alert after a cut when it resumes from the last cursor', async () => {
    const { scorer, monitor, streams, after } = await tenantOf('sse-resumed')
    const ids: string[] = []
    const scoreMany = async (count: number) => {
      for (let i = 0; i < count; i++) ids.push((await score(scorer, `many-${i}`, HIGH_RISK)).id)
    }
    const before = subscribeTo(streams, HighRiskScoredDocument, { after })
    await scoreMany(3)
    const seen = [await nextEvent(before), await nextEvent(before)]
    streams.dispose()
    await subscribers(0)
    await scoreMany(4)
    const cursor = seen[1]?.highRiskScored.cursor ?? ''
    const resumed = subscribeTo(streamsOf(monitor), HighRiskScoredDocument, { after: cursor })
    for (let i = 0; i < 5; i++) seen.push(await nextEvent(resumed))
    await scoreMany(2)
    for (let i = 0; i < 2; i++) seen.push(await nextEvent(resumed))
    expect(seen.map(({ highRiskScored }) => highRiskScored.id)).toEqual(ids)
  })

  it('hides features from a MONITOR, even if an ANALYST sends the same query', async () => {
    const { scorer, streams } = await tenantOf('sse-hidden')
    const analyst = streamsOf(await gateway.as({ roles: ['ANALYST'], tenant: 'sse-hidden' }))
    const [hidden, shown] = [streams, analyst].map(client => subscribeTo(client, HighRiskScoredInFullDocument, {}).next())
    await subscribers(2)
    const { id } = await score(scorer, 'high', HIGH_RISK)
    expect((await hidden)?.value).toMatchObject({
      data: { highRiskScored: { id, prediction: { features: null } } },
      errors: [{ path: ['highRiskScored', 'prediction', 'features'], extensions: { code: 'FORBIDDEN' } }],
    })
    expect((await shown)?.value).toMatchObject({ data: { highRiskScored: { id, prediction: { features: expect.any(Array) } } } })
    expect((await shown)?.value.errors).toBeUndefined()
  })

  it('can be opened by GET, starts with its first byte, and forbids caching and buffering', async () => {
    const { scorer, after } = await tenantOf('sse-get')
    const token = await signToken({ roles: ['MONITOR'], tenant: 'sse-get' })
    const search = `?${new URLSearchParams({ query: WATCH, variables: JSON.stringify({ after }) })}`
    const response = await stream(undefined, { method: 'GET', token, search, headers: { accept: 'text/event-stream' } })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.any(String),
    })
    const { id } = await score(scorer, 'high', HIGH_RISK)
    const text = await textUntil(response, '}\n\n')
    expect(text).toMatch(
      new RegExp(`^:\\n\\nevent: next\\ndata: {"data":{"highRiskScored":{"id":"${id}","cursor":"[0-9a-f]+"}}}\\n\\n$`),
    )
  })

  it('ends before an alert whose data cannot be read now, also over WebSocket, and resumes with that alert', async () => {
    const { scorer, monitor, streams, after } = await tenantOf('sse-not-passed-by', ['ADMIN'])
    const query = `subscription($after: String) {
      highRiskScored(after: $after) { id prediction { applicant { predictions(first: 1) { nodes { id } } } } } }`
    const { id } = await score(scorer, 'high', HIGH_RISK)
    const sockets = monitor.sockets()
    for (const way of [streams, sockets]) {
      vi.spyOn(HistoryStore.prototype, 'pagesOfApplicants').mockRejectedValueOnce(
        new AppError('SERVICE_UNAVAILABLE', 'The store is not available at the moment. Try again shortly.'),
      )
      const first = async () => (await way.iterate({ query, variables: { after } }).next()).value
      const ended = await first().catch((errors: unknown) => ({ errors }))
      expect(ended).toMatchObject({ errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }] })
      // Even an empty event would move the client past the alert.
      expect(ended).not.toHaveProperty('data')
      expect(await first()).toMatchObject({ data: { highRiskScored: { id } } })
    }
    await sockets.dispose()
  })

  it('ends with UNAUTHENTICATED when its token expires', async () => {
    // An expired token is accepted for 30 s; five seconds are left.
    const token = await signToken({ roles: ['MONITOR'] }, -25)
    const text = await (await stream({ query: WATCH }, { token })).text()
    expect(text).toMatch(
      /^:\n\nevent: next\ndata: {"errors":\[{"message":"The access token has expired; [^\n]+"UNAUTHENTICATED"}}]}\n\nevent: complete\ndata:\n\n$/,
    )
    await subscribers(0)
    expect(await metric(gateway, 'riskgate_subscriptions_total', { operation: 'highRiskScored', code: 'UNAUTHENTICATED' })).toBe(
      1,
    )
  })

  it('does not begin for a client that disconnects while its token is checked', async () => {
    const authenticate = Tokens.prototype.authenticate
    const gone = { count: 0 }
    const begun = async (message: unknown) => {
      const { response } = message as { response: ServerResponse }
      const closed = once(response, 'close')
      vi.spyOn(Tokens.prototype, 'authenticate').mockImplementationOnce(async function (this: Tokens, authorization) {
        const principal = await authenticate.call(this, authorization)
        await closed
        gone.count++
        return principal
      })
      hangUp()
    }
    const controller = { current: new AbortController() }
    const hangUp = () => controller.current.abort()
    subscribe('http.server.request.start', begun)
    for (let i = 1; i <= 5; i++) {
      controller.current = new AbortController()
      const init = { method: 'GET', search: `?${new URLSearchParams({ query: WATCH })}`, signal: controller.current.signal }
      await expect(stream(undefined, init)).rejects.toThrow()
      await vi.waitFor(() => expect(gone.count).toBe(i))
    }
    unsubscribe('http.server.request.start', begun)
    const events = subscribeTo(streamsOf(await gateway.as({ roles: ['ADMIN'] })), HighRiskScoredDocument, {}).next()
    events.catch(() => {})
    await subscribers(1)
  })

  it('is cut without a completion when the gateway stops, and resumes at another gateway', async () => {
    const first = await startGateway({}, gateway.database)
    const caller: Caller = { roles: ['ADMIN'], tenant: 'sse-moved' }
    const before = await first.as(caller)
    const { alertCursor: after } = await before.data(AlertCursorDocument, {})
    const events = subscribeTo(streamsOf(before), HighRiskScoredDocument, { after })
    await score(before, 'one', HIGH_RISK)
    const { cursor } = (await nextEvent(events)).highRiskScored
    const cut = events.next()
    let cutAt = Number.POSITIVE_INFINITY
    const refused = expect(cut.finally(() => (cutAt = performance.now()))).rejects.toThrow()
    const stoppedAt = performance.now()
    await first[Symbol.asyncDispose]()
    await refused
    // Much less than the grace period for open requests.
    expect(cutAt - stoppedAt).toBeLessThan(GRACE_MS)
    const next = await gateway.as(caller)
    const { id } = await score(next, 'two', HIGH_RISK)
    expect((await nextEvent(subscribeTo(streamsOf(next), HighRiskScoredDocument, { after: cursor }))).highRiskScored.id).toBe(id)
  })
})

describe('a refused event stream', () => {
  it.each<[string, string | undefined]>([
    ['none', undefined],
    ['garbage', CANARY],
  ])('is answered with 401 and JSON before its body is read, with a token that is %s', async (_what, token) => {
    const headers = token === undefined ? { authorization: '' } : {}
    const response = await stream(`{"query": "${CANARY}`, { token: token ?? '', headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer')
    const body = await response.text()
    expect(JSON.parse(body)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect(body).not.toContain(CANARY)
  })

  it.each<[string, string, number, unknown, RequestInit & { search?: string }]>([
    ['broken JSON', 'BAD_REQUEST', 400, `{"${CANARY}`, {}],
    ['no body', 'BAD_REQUEST', 400, '', {}],
    ['no document', 'BAD_REQUEST', 400, {}, {}],
    ['a document that is not a text', 'BAD_REQUEST', 400, { query: { [CANARY]: 1 } }, {}],
    ['variables that are a list', 'BAD_REQUEST', 400, { query: WATCH, variables: [CANARY] }, {}],
    ['a name that is not a text', 'BAD_REQUEST', 400, { query: WATCH, operationName: 5 }, {}],
    ['an Accept header for JSON', 'BAD_REQUEST', 400, { query: WATCH }, { headers: { accept: 'application/json' } }],
    ['another type of body', 'BAD_REQUEST', 400, WATCH, { headers: { 'content-type': 'text/plain' } }],
    [
      'variables in the URL that are not JSON',
      'BAD_REQUEST',
      400,
      undefined,
      { method: 'GET', search: `?query=x&variables=${CANARY}` },
    ],
    ['a document given twice', 'BAD_REQUEST', 400, undefined, { method: 'GET', search: '?query=x&query=y' }],
    ['a body over 64 KiB', 'PAYLOAD_TOO_LARGE', 413, { query: 'x'.repeat(65_536) }, {}],
    ['PUT', 'BAD_REQUEST', 405, {}, { method: 'PUT' }],
  ])('is answered with JSON for %s', async (_what, code, status, body, init) => {
    const response = await stream(body, init)
    const text = await response.text()
    expect(response.status).toBe(status)
    expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code } }] })
    expect(text).not.toContain(CANARY)
  })

  it.each<[string, string, string, Parameters<Client['iterate']>[0]]>([
    ['a query', 'BAD_REQUEST', 'viewer', { query: '{ viewer { id } }' }],
    [
      'a mutation',
      'BAD_REQUEST',
      'predictRisk',
      { query: `mutation { predictRisk(input: {applicantId: "${CANARY}", features: {consumerCredit: {}}}) { replayed } }` },
    ],
    [
      'a document that is not finished',
      'GRAPHQL_PARSE_FAILED',
      'none',
      { query: `subscription { highRiskScored(after: "${CANARY}")` },
    ],
    ['an unknown field', 'GRAPHQL_VALIDATION_FAILED', 'none', { query: 'subscription { highRiskScored { ids } }' }],
    ['a wrong variable', 'BAD_USER_INPUT', 'highRiskScored', { query: WATCH, variables: { after: { [CANARY]: 1 } } }],
    ['an invalid cursor', 'BAD_CURSOR', 'highRiskScored', { query: WATCH, variables: { after: CANARY } }],
  ])('sends the error in the stream, and completes, for %s', async (_what, code, operation, request) => {
    const ended = () => metric(gateway, 'riskgate_subscriptions_total', { operation, code })
    const before = (await ended()) ?? 0
    const results = await all(streamsOf(await gateway.as({ roles: ['ADMIN'] })), request)
    expect(results).toMatchObject([{ errors: [{ extensions: { code } }] }])
    expect(JSON.stringify(results)).not.toMatch(new RegExp(`${CANARY}|Did you mean|"data"`))
    expect(await ended()).toBe(before + 1)
  })

  it.each<Caller['roles'][number]>(['SCORER', 'MODEL_MANAGER'])('is FORBIDDEN to a %s', async role => {
    const results = await all(streamsOf(await gateway.as({ roles: [role] })), { query: print(HighRiskScoredDocument) })
    expect(results).toMatchObject([{ errors: [{ extensions: { code: 'FORBIDDEN' } }] }])
  })
})
