import type { Client } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { Role } from '../../src/auth/principal.js'
import { HIGH_RISK } from '../support/applicants.js'
import { GraphqlClient, type GraphqlError, nextEvent, subscribeTo } from '../support/client.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument, HighRiskScoredDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { CANARY } from '../support/refused.js'
import { score, storedRows } from '../support/stored.js'

let gateway: TestGateway
const opened: Client[] = []
const printed = vi.spyOn(console, 'error')
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(async () => {
  for (const sockets of opened.splice(0)) await sockets.dispose()
  expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(0)
  // A client's mistake must not print anything to standard error, least of all a stack trace.
  expect(printed).not.toHaveBeenCalled()
})
afterAll(() => gateway[Symbol.asyncDispose]())

async function socketsAs(...roles: Role[]): Promise<Client> {
  const sockets = (await gateway.as({ roles })).sockets()
  opened.push(sockets)
  return sockets
}

/** The errors that end a subscription before any event, from an `error` message or from a result. */
async function errorsOf(sockets: Client, request: Parameters<Client['iterate']>[0]): Promise<readonly GraphqlError[]> {
  const events = sockets.iterate(request)
  try {
    const { value } = await events.next()
    expect(value?.data ?? null).toBeNull()
    expect(await events.next()).toMatchObject({ done: true })
    return value?.errors as unknown as readonly GraphqlError[]
  } catch (errors) {
    return errors as readonly GraphqlError[]
  }
}

const codes = (errors: readonly GraphqlError[]) => errors.map(({ extensions }) => extensions.code)

/** The code with which the gateway closes a socket, and the reason it gives. */
async function closeOf(sockets: Client): Promise<{ code: number; reason: string }> {
  const failure = await sockets
    .iterate({ query: 'subscription { highRiskScored { id } }' })
    .next()
    .catch((event: { code: number; reason: string }) => event)
  return failure as { code: number; reason: string }
}

describe('a refused subscription', () => {
  it.each<[string, Role[]]>([
    ['a SCORER', ['SCORER']],
    ['a MODEL_MANAGER', ['MODEL_MANAGER']],
    ['a token without roles', []],
  ])('is FORBIDDEN to %s before any event, even if alerts are waiting', async (_name, roles) => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const after = (await (await gateway.as({ roles: ['MONITOR'] })).data(AlertCursorDocument, {})).alertCursor
    await score(scorer, 'before', HIGH_RISK)
    const sockets = await socketsAs(...roles)
    for (const variables of [{}, { after }, { after: 'garbage' }]) {
      const query = 'subscription($after: String) { highRiskScored(after: $after) { id prediction { applicantId } } }'
      const refusal = errorsOf(sockets, { query, variables })
      await score(scorer, 'meanwhile', HIGH_RISK)
      expect(codes(await refusal)).toEqual(['FORBIDDEN'])
    }
    const { status, errors } = await (await gateway.as({ roles })).request(AlertCursorDocument, {})
    expect({ status, errors }).toMatchObject({ status: 403, errors: [{ extensions: { code: 'FORBIDDEN' } }] })
  })

  it.each([
    ['empty', ''],
    ['garbage', CANARY],
    ['of another feed', `0001${'0'.repeat(36)}`],
    ['of an unknown epoch', `ffff${'f'.repeat(36)}`],
    ['huge', 'a'.repeat(50_000)],
    ['a history cursor', Buffer.from('00000000.01a1fffe-a85f-772b-b189-b7365ad0bfbb.0.5').toString('base64url')],
  ])('is BAD_CURSOR with a cursor that is %s', async (_name, after) => {
    const query = 'subscription($after: String) { highRiskScored(after: $after) { id } }'
    const errors = await errorsOf(await socketsAs('MONITOR'), { query, variables: { after } })
    expect(codes(errors)).toEqual(['BAD_CURSOR'])
    expect(JSON.stringify(errors)).not.toContain(CANARY)
  })

  it('is BAD_CURSOR with a cursor from the future of this feed', async () => {
    const monitor = await gateway.as({ roles: ['MONITOR'] })
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    const ahead = `${alertCursor.slice(0, 12)}0${'f'.repeat(15)}${alertCursor.slice(28)}`
    const errors = await errorsOf(await socketsAs('MONITOR'), {
      query: 'subscription($after: String) { highRiskScored(after: $after) { id } }',
      variables: { after: ahead },
    })
    expect(codes(errors)).toEqual(['BAD_CURSOR'])
  })

  it.each<[string, string, Parameters<Client['iterate']>[0]]>([
    ['a query', 'BAD_REQUEST', { query: '{ viewer { id } }' }],
    ['introspection', 'BAD_REQUEST', { query: '{ __schema { types { name } } }' }],
    [
      'a mutation',
      'BAD_REQUEST',
      {
        query: 'mutation($input: PredictRiskInput!) { predictRisk(input: $input) { replayed } }',
        variables: { input: { applicantId: CANARY, features: { consumerCredit: HIGH_RISK } } },
      },
    ],
    [
      'a mutation beside a subscription',
      'BAD_REQUEST',
      {
        query: `subscription A { highRiskScored { id } } mutation B { predictRisk(input: {applicantId: "a", features: {consumerCredit: {}}}) { replayed } }`,
        operationName: 'B',
      },
    ],
    [
      'two operations without a name',
      'BAD_REQUEST',
      { query: 'subscription A { highRiskScored { id } } query B { viewer { id } }' },
    ],
    ['an unknown operation name', 'BAD_REQUEST', { query: 'subscription A { highRiskScored { id } }', operationName: CANARY }],
    ['an unfinished document', 'GRAPHQL_PARSE_FAILED', { query: `subscription { highRiskScored(after: "${CANARY}") { id }` }],
    ['1,001 tokens', 'GRAPHQL_PARSE_FAILED', { query: `subscription { highRiskScored { ${'id '.repeat(995)}} }` }],
    ['an unknown field', 'GRAPHQL_VALIDATION_FAILED', { query: 'subscription { highRiskScored { ids } }' }],
    [
      'two root fields',
      'GRAPHQL_VALIDATION_FAILED',
      { query: 'subscription { a: highRiskScored { id } b: highRiskScored { id } }' },
    ],
    [
      'a wrong literal',
      'GRAPHQL_VALIDATION_FAILED',
      { query: `subscription { highRiskScored(filter: {bands: ["${CANARY}"]}) { id } }` },
    ],
    [
      'an unknown band',
      'BAD_USER_INPUT',
      { query: 'subscription($f: AlertFilter) { highRiskScored(filter: $f) { id } }', variables: { f: { bands: [CANARY] } } },
    ],
    [
      'a cursor that is not a text',
      'BAD_USER_INPUT',
      { query: 'subscription($a: String) { highRiskScored(after: $a) { id } }', variables: { a: { [CANARY]: 1 } } },
    ],
    ['a root field that is skipped', 'BAD_USER_INPUT', { query: 'subscription { highRiskScored @skip(if: true) { id } }' }],
    [
      'fragments that leave no root field',
      'BAD_USER_INPUT',
      { query: 'subscription { ... { ...F ...F } } fragment F on Subscription { highRiskScored @include(if: false) { id } }' },
    ],
    [
      'a root field that depends on a variable',
      'GRAPHQL_VALIDATION_FAILED',
      { query: 'subscription($s: Boolean!) { highRiskScored @skip(if: $s) { id } }', variables: { s: false } },
    ],
    [
      'a key of a @oneOf input that may be null',
      'GRAPHQL_VALIDATION_FAILED',
      {
        query: `mutation($c: ConsumerCreditFeaturesInput) { predictRisk(input: {applicantId: "a", features: {consumerCredit: $c}}) { replayed } }`,
      },
    ],
    ['a missing variable', 'BAD_USER_INPUT', { query: 'subscription($a: String!) { highRiskScored(after: $a) { id } }' }],
  ])('that is %s has the code %s, and its socket still works', async (_name, code, request) => {
    const before = await storedRows(gateway)
    const sockets = await socketsAs('ADMIN')
    const errors = await errorsOf(sockets, request)
    expect(errors.length).toBeGreaterThan(0)
    expect(new Set(codes(errors))).toEqual(new Set([code]))
    expect(JSON.stringify(errors)).not.toMatch(new RegExp(`${CANARY}|Did you mean|node_modules`))
    expect(await storedRows(gateway)).toEqual(before)

    const admin = await gateway.as({ roles: ['ADMIN'] })
    const { alertCursor: after } = await admin.data(AlertCursorDocument, {})
    const events = subscribeTo(sockets, HighRiskScoredDocument, { after })
    const { id } = await score(admin, 'next', HIGH_RISK)
    expect((await nextEvent(events)).highRiskScored.id).toBe(id)
    await events.return?.()
    await vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(0))
  })
})

describe('the answer to a refused subscription', () => {
  it.each([
    ['a name that is unknown', { query: 'subscription A { highRiskScored { id } }', operationName: CANARY }],
    ['no name beside several operations', { query: 'subscription A { highRiskScored { id } } query B { viewer { id } }' }],
  ])('says that operationName must name an operation, for %s', async (_name, request) => {
    const errors = await errorsOf(await socketsAs('ADMIN'), request)
    const message = 'operationName must name one of the operations of the document.'
    expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_REQUEST' } }])
  })

  it('lists at most 51 mistakes, for variables with 60', async () => {
    const query = 'subscription($f: AlertFilter) { highRiskScored(filter: $f) { id } }'
    const variables = { f: { bands: Array.from({ length: 60 }, () => CANARY) } }
    const errors = await errorsOf(await socketsAs('MONITOR'), { query, variables })
    expect(errors).toHaveLength(51)
    expect(new Set(codes(errors))).toEqual(new Set(['BAD_USER_INPUT']))
  })
})

describe('a refused socket', () => {
  it.each<[string, () => Promise<string | undefined>]>([
    ['none', async () => undefined],
    ['garbage', async () => CANARY],
    ['an expired one', () => signToken({ roles: ['MONITOR'] }, -60)],
  ])('is closed with 4401, which clients do not retry, if its token is %s', async (_name, token) => {
    const sockets = new GraphqlClient(gateway.url, await token()).sockets()
    opened.push(sockets)
    const { code, reason } = await closeOf(sockets)
    expect(code).toBe(4401)
    expect(reason).not.toContain(CANARY)
  })

  it('is closed with 4401 when its token expires, together with its subscriptions', async () => {
    // An expired token is accepted for 30 s; five seconds are left.
    const sockets = new GraphqlClient(gateway.url, await signToken({ roles: ['MONITOR'] }, -25)).sockets()
    opened.push(sockets)
    const connected = new Promise(resolve => sockets.on('connected', resolve))
    const closed = closeOf(sockets)
    await connected
    expect(await closed).toMatchObject({ code: 4401, reason: 'The access token has expired; ask for a new one.' })
    await vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(0))
  })

  it('is counted, as are its subscriptions by operation and code, but not as request durations', async () => {
    const count = async (operation: string, code: string) =>
      (await metric(gateway, 'riskgate_subscriptions_total', { operation, code })) ?? 0
    const before = [await count('none', 'UNAUTHENTICATED'), await count('highRiskScored', 'BAD_CURSOR')]
    const anonymous = new GraphqlClient(gateway.url, undefined).sockets()
    opened.push(anonymous)
    await closeOf(anonymous)
    const query = 'subscription { highRiskScored(after: "garbage") { id } }'
    await errorsOf(await socketsAs('MONITOR'), { query })
    const after = [await count('none', 'UNAUTHENTICATED'), await count('highRiskScored', 'BAD_CURSOR')]
    expect(after).toEqual(before.map(value => value + 1))
    const requests = 'riskgate_requests_total'
    expect(await metric(gateway, requests, { operation: 'highRiskScored' })).toBeUndefined()
  })

  /** A raw socket without a client library: its messages in order, and its close code. */
  async function rawSocket(send: (socket: WebSocket, message: string) => void, protocol = 'graphql-transport-ws') {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, protocol)
    const messages: string[] = []
    const closed = new Promise<number>(resolve => socket.once('close', resolve))
    socket.on('message', message => {
      messages.push(String(message))
      send(socket, String(message))
    })
    socket.once('open', () => send(socket, ''))
    const code = await closed
    return { code, messages }
  }

  const init = async () => {
    const payload = { authorization: `Bearer ${await signToken({ roles: ['MONITOR'] })}` }
    return JSON.stringify({ type: 'connection_init', payload })
  }

  it('is closed with 4401 if it subscribes before it signs in', async () => {
    const subscribe = { id: '1', type: 'subscribe', payload: { query: 'subscription { highRiskScored { id } }' } }
    expect(await rawSocket(socket => socket.send(JSON.stringify(subscribe)))).toEqual({ code: 4401, messages: [] })
  })

  it('is closed with 1009 for a frame over 64 KiB, and other sockets still work', async () => {
    const other = await socketsAs('ADMIN')
    const admin = await gateway.as({ roles: ['ADMIN'] })
    const { alertCursor: after } = await admin.data(AlertCursorDocument, {})
    const events = subscribeTo(other, HighRiskScoredDocument, { after })
    const message = await init()
    const { code } = await rawSocket((socket, received) => socket.send(received ? 'x'.repeat(64 * 1024 + 1) : message))
    expect(code).toBe(1009)
    const { id } = await score(admin, 'served', HIGH_RISK)
    expect((await nextEvent(events)).highRiskScored.id).toBe(id)
    await events.return?.()
    await vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(0))
  })

  it.each([CANARY, '{}', '[]', '{"type":"subscribe"}', `{"id":1,"type":"subscribe","payload":{"query":5}}`])(
    'is closed with 4400 for the message %j',
    async text => {
      const message = await init()
      expect((await rawSocket((socket, received) => socket.send(received ? text : message))).code).toBe(4400)
    },
  )

  it('is closed with 4409 for a second subscription with the same id', async () => {
    const message = await init()
    const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload: { query: 'subscription { highRiskScored { id } }' } })
    const { code } = await rawSocket((socket, received) => {
      if (!received) return socket.send(message)
      socket.send(subscribe)
      socket.send(subscribe)
    })
    expect(code).toBe(4409)
    await vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(0))
  })

  it('is not opened for another protocol', async () => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-ws')
    await expect(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))).rejects.toThrow()
  })
})
