import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Tokens } from '../../src/auth/tokens.js'
import { GraphqlClient } from '../support/client.js'
import { startGateway, TEST_SECRET, type TestGateway } from '../support/gateway.js'
import { ViewerDocument } from '../support/generated/operations.js'
import type { RawAnswer } from '../support/httpExchange.js'
import { AUDIENCE, claimsOf, ISSUER, startIssuer, type TestIssuer, tokenOf } from '../support/issuer.js'
import { CANARY, expectRefusal } from '../support/refused.js'
import { KEYS, malleated, PUBLISHED } from './support/forging.js'
import { HOSTILE } from './support/hostileTokens.js'

// A stall of the event loop delays all other callers. A refusal takes well under 1 ms; the rest is tolerance for a busy machine.
const MOST_CPU_MS = 250
const AT_ONCE = 20
const TOKENS = HOSTILE.map(([family, what, token]) => ({ family, what, token: token() }))

let issuer: TestIssuer
let gateway: TestGateway
beforeAll(async () => {
  issuer = await startIssuer(PUBLISHED)
  gateway = await startGateway({
    RISKGATE_JWKS_URL: issuer.url,
    RISKGATE_JWT_ISSUER: ISSUER,
    RISKGATE_JWT_AUDIENCE: AUDIENCE,
    RISKGATE_RATE_LIMIT_ADDRESS: '0',
  })
})
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await issuer?.[Symbol.asyncDispose]()
})

const BODY = JSON.stringify({ query: '{ viewer { id } }' })
const post = (authorization: string) =>
  new GraphqlClient(gateway.url, undefined).call({
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: BODY,
  })

async function inTurns<Given, Answer>(all: readonly Given[], ask: (one: Given) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < all.length; i += AT_ONCE) answers.push(...(await Promise.all(all.slice(i, i + AT_ONCE).map(ask))))
  return answers
}

/** No answer may repeat the meaningful parts of the token, encoded or decoded. */
function expectNoEcho(text: string, token: string): void {
  expect(text).not.toContain(CANARY)
  for (const part of token.split('.')) {
    if (part.length >= 8) expect(text).not.toContain(part.slice(0, 40))
  }
}

describe('a gateway with a shared secret and an issuer', () => {
  it.each(['rsa', 'rsa2', 'ps', 'ec', 'ed', 'bare'] as const)('accepts a token of the key %s', async name => {
    const client = new GraphqlClient(gateway.url, tokenOf(KEYS[name]))
    expect((await client.data(ViewerDocument, {})).viewer).toMatchObject({ id: 'web-shop', roles: ['SCORER'] })
  })

  it('accepts a token of the shared secret', async () => {
    const tokens = new Tokens({ secret: Buffer.from(TEST_SECRET), issuer: ISSUER, audience: AUDIENCE })
    const token = await tokens.sign({ subject: 'batch', roles: ['ANALYST'], ttlSeconds: 60 })
    const { viewer } = await new GraphqlClient(gateway.url, token).data(ViewerDocument, {})
    expect(viewer).toMatchObject({ id: 'batch', roles: ['ANALYST'] })
  })

  it('accepts the mirrored signature of an ECDSA token, which names the same principal', async () => {
    expect(await post(`Bearer ${malleated()}`)).toMatchObject({ status: 200, text: expect.stringContaining(CANARY) })
  })
})

describe('a hostile token over HTTP', () => {
  const answers = new Map<string, RawAnswer>()
  let mostCpuMs = 0
  beforeAll(async () => {
    await inTurns(TOKENS.slice(0, AT_ONCE), ({ token }) => post(`Bearer ${token}`))
    for (const { token } of TOKENS) {
      let leastCpuMs = Number.POSITIVE_INFINITY
      // The least of some tries: a garbage collection may fall into one of them, but a token that is slow to refuse is so each time.
      for (let tries = 0; tries < 3 && leastCpuMs >= MOST_CPU_MS; tries++) {
        const used = process.cpuUsage()
        answers.set(token, await post(`Bearer ${token}`))
        const { user, system } = process.cpuUsage(used)
        leastCpuMs = Math.min(leastCpuMs, (user + system) / 1_000)
      }
      mostCpuMs = Math.max(mostCpuMs, leastCpuMs)
    }
  })

  it.each(TOKENS)('is refused: $family, $what', ({ token }) => {
    const answer = answers.get(token) as RawAnswer
    expectRefusal(answer, { status: 401, code: 'UNAUTHENTICATED' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expectNoEcho(answer.text, token)
  })

  it('delays no other caller', () => {
    expect(TOKENS.length).toBeGreaterThanOrEqual(60)
    expect(mostCpuMs).toBeLessThan(MOST_CPU_MS)
  })

  it('that is longer than headers may be is refused before it is read', async () => {
    const { status, text } = await post(`Bearer ${'a'.repeat(40_000)}`)
    expect(status).toBe(431)
    expect(text).not.toContain('aaaa')
  })

  it.each(['Bearer', 'Bearer ', 'bearer: x', 'Basic eDp5', 'Token x', 'Bearer a b', `Bearer ${CANARY}, Bearer ${CANARY}`])(
    'is not read from the header %j',
    async authorization => {
      const answer = await post(authorization)
      expectRefusal(answer, { status: 401, code: 'UNAUTHENTICATED' })
    },
  )

  it('is read only from the header', async () => {
    const token = tokenOf(KEYS.rsa)
    const anonymous = new GraphqlClient(gateway.url, undefined)
    const headers = { 'content-type': 'application/json', cookie: `token=${token}; access_token=${token}` }
    const asked = await anonymous.raw({ method: 'POST', headers, body: BODY }, `?access_token=${token}&token=${token}`)
    expectRefusal(asked, { status: 401, code: 'UNAUTHENTICATED' })
  })
})

describe('a hostile token over WebSocket', () => {
  const closes = new Map<string, { code: number; reason: string }>()
  beforeAll(async () => {
    await inTurns([...TOKENS, ...OVER_SOCKETS_ONLY], async ({ token }) => closes.set(token, await closeOf(token)))
  })

  it.each([...TOKENS, ...OVER_SOCKETS_ONLY])('closes the socket: $family, $what', ({ token }) => {
    const { code, reason } = closes.get(token) ?? {}
    expect(code).toBe(4401)
    expectNoEcho(`${reason}`, token)
  })
})

const OVER_SOCKETS_ONLY = [
  { family: 'form', what: 'followed by a line end', token: `${tokenOf(KEYS.rsa, claimsOf({ sub: CANARY }))}\n` },
  { family: 'form', what: 'followed by a NUL', token: `${tokenOf(KEYS.rsa, claimsOf({ sub: CANARY }))}\0` },
  { family: 'form', what: 'letters of another script', token: tokenOf(KEYS.rsa).replace('e', 'е') },
]

async function closeOf(token: string): Promise<{ code: number; reason: string }> {
  const sockets = new GraphqlClient(gateway.url, token).sockets()
  const closed = new Promise<{ code: number; reason: string }>(resolve => {
    sockets.on('closed', event => resolve(event as { code: number; reason: string }))
    sockets.on('connected', () => resolve({ code: 0, reason: 'accepted' }))
  })
  const events = sockets.iterate({ query: 'subscription { highRiskScored { id } }' })
  void events.next().catch(() => {})
  return closed.finally(() => sockets.dispose())
}
