import { describe, expect, it } from 'vitest'
import { Tokens } from '../../src/auth/tokens.js'
import { GraphqlClient } from '../support/client.js'
import { startGateway, TEST_SECRET, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument, HighRiskScoredDocument, ViewerDocument } from '../support/generated/operations.js'
import { AUDIENCE, claimsOf, ISSUER, type IssuerKey, makeKey, startIssuer, type TestIssuer, tokenOf } from '../support/issuer.js'
import { metric } from '../support/metrics.js'
import { until } from '../support/process.js'
import { subscribe } from '../support/subscription.js'

const NEW_SECRET = 'the secret after the rotation, 32 bytes or more'
const CLIENTS = 8
// Fetches of the key set are at least a second apart.
const SLOW = { timeout: 60_000 }
const FIRST = makeKey('RS256', 'first')
const SECOND = makeKey('ES256', 'second')

let tokensMade = 0
/** A new token each time, so that none is remembered. */
const fresh = (key: IssuerKey) => tokenOf(key, claimsOf({ jti: `${++tokensMade}`, roles: ['MONITOR'] }))

const settingsOf = ({ url }: TestIssuer) => ({
  RISKGATE_JWKS_URL: url,
  RISKGATE_JWT_ISSUER: ISSUER,
  RISKGATE_JWT_AUDIENCE: AUDIENCE,
  RISKGATE_RATE_LIMIT_ADDRESS: '0',
})

async function statusOf(url: string, token: string): Promise<string> {
  const { status, errors } = await new GraphqlClient(url, token).request(ViewerDocument, {})
  return errors ? `${status} ${errors[0]?.extensions.code}` : `${status}`
}

/** Clients that call until `end`, which returns how often each answer came. */
function load(call: () => Promise<string>) {
  const answers = new Map<string, number>()
  let isOver = false
  const work = async () => {
    while (!isOver) {
      const answer = await call()
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  }
  const working = Promise.all(Array.from({ length: CLIENTS }, work))
  return {
    /** Waits for `count` more good answers. */
    goesOn: async (count = 100) => {
      const before = answers.get('200') ?? 0
      await until(() => (answers.get('200') ?? 0) >= before + count)
    },
    async end() {
      isOver = true
      await working
      return Object.fromEntries(answers)
    },
  }
}

describe('a rotation of the shared secret', SLOW, () => {
  it('fails no request if replicas are replaced first, then clients switch, and then the old secret is removed', async () => {
    const signed = (secret: string) =>
      new Tokens({ secret: Buffer.from(secret), issuer: 'riskgate', audience: 'riskgate' }).sign({
        subject: `client-${++tokensMade}`,
        roles: ['MONITOR'],
        ttlSeconds: 60,
      })
    await using a = await startGateway()
    await using b = await startGateway({}, a.database)
    const live: TestGateway[] = [a, b]
    let secret = TEST_SECRET
    let calls = 0
    const clients = load(async () => {
      const token = await signed(secret)
      return statusOf((live[++calls % live.length] as TestGateway).url, token)
    })
    await clients.goesOn()

    const during = { RISKGATE_JWT_SECRET: NEW_SECRET, RISKGATE_JWT_PREVIOUS_SECRET: TEST_SECRET }
    await using a2 = await startGateway(during, a.database)
    live[0] = a2
    await clients.goesOn()
    await using b2 = await startGateway(during, a.database)
    live[1] = b2
    await clients.goesOn()
    secret = NEW_SECRET
    await clients.goesOn()

    await using a3 = await startGateway({ RISKGATE_JWT_SECRET: NEW_SECRET }, a.database)
    live[0] = a3
    await clients.goesOn()
    const answers = await clients.end()
    expect(answers).toEqual({ 200: expect.any(Number) })
    expect(answers['200']).toBeGreaterThanOrEqual(500)
    expect(await statusOf(a3.url, await signed(TEST_SECRET))).toBe('401 UNAUTHENTICATED')
    expect(await statusOf(b2.url, await signed(TEST_SECRET))).toBe('200')
  })
})

describe('a flood of tokens with unknown keys', SLOW, () => {
  it('makes about one request a second to the issuer, and a key published meanwhile is found', async () => {
    await using issuer = await startIssuer([FIRST])
    await using gateway = await startGateway(settingsOf(issuer))
    expect(await statusOf(gateway.url, fresh(FIRST))).toBe('200')
    const startedAt = performance.now()
    const attacker = makeKey('ES256', undefined)
    let isOver = false
    const refusals = new Map<string, number>()
    const flood = Array.from({ length: 300 }, async () => {
      while (!isOver) {
        const token = tokenOf(attacker, claimsOf({ roles: ['ADMIN'] }), { kid: `made-up-${++tokensMade}` })
        const answer = await statusOf(gateway.url, token)
        refusals.set(answer, (refusals.get(answer) ?? 0) + 1)
      }
    })
    await issuer.asked(3)
    issuer.keys = [FIRST, SECOND]
    const [known, published] = await Promise.all([statusOf(gateway.url, fresh(FIRST)), statusOf(gateway.url, fresh(SECOND))])
    expect({ known, published }).toEqual({ known: '200', published: '200' })
    await issuer.asked(5)
    isOver = true
    await Promise.all(flood)
    const seconds = (performance.now() - startedAt) / 1_000
    expect([...refusals.keys()]).toEqual(['401 UNAUTHENTICATED'])
    expect(refusals.get('401 UNAUTHENTICATED')).toBeGreaterThanOrEqual(300)
    expect(issuer.requests.length).toBeLessThanOrEqual(2 + seconds)
  })
})

// Concurrent: most of the time is the pause between two fetches.
describe.concurrent("a rotation of the issuer's keys", SLOW, () => {
  it('fails no request, not even with a token signed the moment its key was published', async () => {
    await using issuer = await startIssuer([FIRST])
    await using gateway = await startGateway(settingsOf(issuer))
    let key = FIRST
    const clients = load(() => statusOf(gateway.url, fresh(key)))
    await clients.goesOn()
    issuer.keys = [FIRST, SECOND]
    key = SECOND
    await clients.goesOn()
    key = FIRST
    await clients.goesOn()
    key = SECOND
    await clients.goesOn()
    issuer.keys = [SECOND]
    expect(await statusOf(gateway.url, fresh(makeKey('ES256', 'made-up')))).toBe('401 UNAUTHENTICATED')
    await clients.goesOn()
    const answers = await clients.end()
    expect(answers).toEqual({ 200: expect.any(Number) })
    expect(answers['200']).toBeGreaterThanOrEqual(500)
    expect(await statusOf(gateway.url, fresh(FIRST))).toBe('401 UNAUTHENTICATED')
    expect(issuer.requests.length).toBeLessThanOrEqual(4)
  })

  it('ends only the sockets, event streams and remembered tokens of a removed key', async () => {
    await using issuer = await startIssuer([FIRST, SECOND])
    await using gateway = await startGateway(settingsOf(issuer))
    const remembered = fresh(FIRST)
    expect(await statusOf(gateway.url, remembered)).toBe('200')
    const [leaving, staying] = [new GraphqlClient(gateway.url, fresh(FIRST)), new GraphqlClient(gateway.url, fresh(SECOND))]
    const { alertCursor: after } = await staying.data(AlertCursorDocument, {})
    await using ended = subscribe(leaving, HighRiskScoredDocument, { after })
    await using open = subscribe(staying, HighRiskScoredDocument, { after })
    const noEvent = ended.next().catch(() => 'ended')
    const anEvent = open.next().then(
      () => 'an event',
      () => 'ended',
    )
    const streams = leaving.eventStreams()
    const stream = streams.iterate<unknown>({ query: 'subscription { highRiskScored { id } }' })
    const lastOfStream = stream.next()
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 3)

    issuer.keys = [SECOND]
    expect(await statusOf(gateway.url, fresh(makeKey('ES256', 'made-up')))).toBe('401 UNAUTHENTICATED')
    expect(await ended.closed).toBe(4401)
    expect(await noEvent).toBe('ended')
    expect(JSON.stringify(await lastOfStream)).toContain('UNAUTHENTICATED')
    expect(await statusOf(gateway.url, remembered)).toBe('401 UNAUTHENTICATED')
    expect(
      await Promise.race([anEvent, open.closed, until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 1)]),
    ).toBe(undefined)
    expect(await statusOf(gateway.url, fresh(SECOND))).toBe('200')
    streams.dispose()

    issuer.keys = [FIRST, SECOND]
    expect(await statusOf(gateway.url, remembered)).toBe('200')
    await using again = subscribe(leaving, HighRiskScoredDocument, { after })
    void again.next().catch(() => {})
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 2)
  })
})

describe.concurrent('an issuer that is down', SLOW, () => {
  it('at the start does not stop the gateway: tokens get SERVICE_UNAVAILABLE until the issuer answers', async () => {
    const { url, ...down } = await startIssuer([FIRST])
    await down[Symbol.asyncDispose]()
    await using gateway = await startGateway(settingsOf({ url } as TestIssuer))
    expect(await statusOf(gateway.url, fresh(FIRST))).toBe('503 SERVICE_UNAVAILABLE')
    await using socket = subscribe(new GraphqlClient(gateway.url, fresh(FIRST)), HighRiskScoredDocument, {})
    void socket.next().catch(() => {})
    expect(await socket.closed).toBe(1013)
    const shared = new Tokens({ secret: Buffer.from(TEST_SECRET), issuer: ISSUER, audience: AUDIENCE })
    const ofSecret = await shared.sign({ subject: 'one', roles: ['MONITOR'], ttlSeconds: 60 })
    expect(await statusOf(gateway.url, ofSecret)).toBe('200')
    await using _issuer = await startIssuer([FIRST], Number(new URL(url).port))
    await until(async () => (await statusOf(gateway.url, fresh(FIRST))) === '200')
  })

  it('later on fails no request with a known key, and a new key is found when it is back', async () => {
    await using issuer = await startIssuer([FIRST])
    await using gateway = await startGateway(settingsOf(issuer))
    const clients = load(() => statusOf(gateway.url, fresh(FIRST)))
    await clients.goesOn()
    for (const answer of [hanging, broken, garbage, emptySet]) {
      issuer.answer = answer
      expect(await statusOf(gateway.url, fresh(SECOND))).toBe('503 SERVICE_UNAVAILABLE')
      await clients.goesOn()
    }
    issuer.answer = undefined
    issuer.keys = [FIRST, SECOND]
    expect(await statusOf(gateway.url, fresh(SECOND))).toBe('200')
    expect(await clients.end()).toEqual({ 200: expect.any(Number) })
    expect(await metric(gateway, 'riskgate_key_set_fetches_total', { result: 'failed' })).toBe(4)
  })
})

const hanging: TestIssuer['answer'] = () => {}
const broken: TestIssuer['answer'] = (_request, response) => void response.destroy()
const garbage: TestIssuer['answer'] = (_request, response) => void response.end('<html>')
const emptySet: TestIssuer['answer'] = (_request, response) => void response.end('{"keys":[]}')
