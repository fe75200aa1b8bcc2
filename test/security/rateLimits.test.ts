import { once } from 'node:events'
import { print } from 'graphql'
import type { Client } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { HIGH_RISK } from '../support/applicants.js'
import { type GraphqlError, nextEvent, subscribeTo } from '../support/client.js'
import { type Caller, signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { spawnGateway } from '../support/gatewayProcess.js'
import { HighRiskScoredDocument, ViewerDocument } from '../support/generated/operations.js'
import { watchWaits } from '../support/limiters.js'
import { metric } from '../support/metrics.js'
import { until } from '../support/process.js'
import { REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { score } from '../support/stored.js'

const LIMIT = 20
const WATCH = { query: print(HighRiskScoredDocument), variables: {} }
const BAD = { authorization: 'Bearer not.a.token' }

/** Sends a call whose body must never be parsed. */
function call(url: string, headers: Record<string, string> = {}, path = '/graphql'): Promise<Response> {
  return fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"not json' })
}

async function statuses(calls: number, one: () => Promise<Response>): Promise<number[]> {
  const answers: number[] = []
  for (let i = 0; i < calls; i++) {
    const response = await one()
    await response.arrayBuffer()
    answers.push(response.status)
  }
  return answers
}

/** The close code of a socket that sends these messages. */
async function closeCode(url: string, messages: readonly unknown[], headers: Record<string, string> = {}): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  for (const message of messages) socket.send(JSON.stringify(message))
  const [code] = (await closed) as [number]
  return code
}

const credentialOf = async (caller: Caller) => ({ authorization: `Bearer ${await signToken(caller)}` })
const bad = [{ type: 'connection_init', payload: BAD }]

describe('an address whose calls have no valid credential', () => {
  let gateway: TestGateway
  const opened: Client[] = []
  afterEach(async () => {
    for (const client of opened.splice(0)) await client.dispose()
    await gateway[Symbol.asyncDispose]()
  })
  const start = async (environment: Record<string, string> = {}) => {
    gateway = await startGateway({ RISKGATE_RATE_LIMIT_ADDRESS: String(LIMIT), ...environment })
    return gateway
  }

  it.each([
    ['no credential', {}, '/graphql'],
    ['no credential, for events', {}, '/graphql/stream'],
    ['a bad token', BAD, '/graphql'],
    ['a bad token, for events', BAD, '/graphql/stream'],
    ['another scheme', { authorization: 'Basic eDp5' }, '/graphql'],
  ])('gets 429 past its limit, before anything is parsed: %s', async (_what, headers, path) => {
    const { url } = await start()
    expect(await statuses(LIMIT, () => call(url, headers, path))).toEqual(Array(LIMIT).fill(401))
    const response = await call(url, headers, path)
    expect(response.status).toBe(429)
    const { errors } = (await response.json()) as { errors: GraphqlError[] }
    expect(errors).toEqual([
      {
        message: expect.stringMatching(
          /^Too many calls from this address without a valid credential: try again in (60|59) s\.$/,
        ) as string,
        extensions: { code: 'RATE_LIMITED', retryable: true },
      },
    ])
    const { headers: given } = response
    expect(Number(given.get('retry-after'))).toBeGreaterThan(50)
    expect(given.get('ratelimit-limit')).toBe(String(LIMIT))
    expect(given.get('ratelimit-remaining')).toBe('0')
    expect(given.get('ratelimit-reset')).toBe(given.get('retry-after'))
    expect(await metric(gateway, 'riskgate_rate_limited_total', { kind: 'address' })).toBe(1)
  })

  it('does not lock out callers with a valid one: HTTP, events and sockets work during its flood', async () => {
    const { url } = await start()
    const [scorer, monitor] = [await gateway.as({ roles: ['SCORER'] }), await gateway.as({ roles: ['MONITOR'] })]
    let isOver = false
    const flood = Array.from({ length: 10 }, async () => {
      while (!isOver) await (await call(url, BAD)).arrayBuffer()
    })
    await until(async () => ((await metric(gateway, 'riskgate_rate_limited_total', { kind: 'address' })) ?? 0) > 50)
    const sockets = monitor.sockets()
    opened.push(sockets)
    const streams = monitor.eventStreams()
    const heard = [subscribeTo(sockets, HighRiskScoredDocument, {}), subscribeTo(streams, HighRiskScoredDocument, {})].map(
      nextEvent,
    )
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 2)
    const { id } = await score(scorer, 'in-the-flood', HIGH_RISK)
    for (const { highRiskScored } of await Promise.all(heard)) expect(highRiskScored.prediction.id).toBe(id)
    for (let i = 0; i < 2 * LIMIT; i++) expect((await scorer.request(ViewerDocument, {})).status).toBe(200)
    streams.dispose()
    isOver = true
    await Promise.all(flood)
  })

  it('cannot pretend to be another one with X-Forwarded-For, over HTTP or WebSocket', async () => {
    const { url } = await start()
    let i = 0
    const forged = () => ({ 'x-forwarded-for': `203.0.113.${i++}`, forwarded: 'for=203.0.113.1', 'x-real-ip': '203.0.113.2' })
    expect(await statuses(LIMIT + 5, () => call(url, forged()))).toEqual([...Array(LIMIT).fill(401), ...Array(5).fill(429)])
    expect(await closeCode(url, bad, forged())).toBe(4429)
  })

  it('is the one that a trusted proxy names, for sockets', async () => {
    const { url } = await start({ RISKGATE_TRUSTED_PROXIES: '127.0.0.1,::1' })
    const from = (address: string) => closeCode(url, bad, { 'x-forwarded-for': address })
    for (let i = 0; i < LIMIT; i++) expect(await from('198.51.100.1, 203.0.113.7')).toBe(4401)
    expect(await from('198.51.100.2, 203.0.113.7')).toBe(4429)
    expect(await from('203.0.113.8')).toBe(4401)
  })

  it('is the one that a trusted proxy names, over HTTP, and shares its limit with pages and metrics', async () => {
    const { url } = await start({ RISKGATE_TRUSTED_PROXIES: '127.0.0.1,::1' })
    const from = (address: string) => () => call(url, { 'x-forwarded-for': address })
    expect(await statuses(LIMIT, from('198.51.100.1, 203.0.113.7'))).toEqual(Array(LIMIT).fill(401))
    expect(await statuses(1, from('198.51.100.2, 203.0.113.7'))).toEqual([429])
    expect(await statuses(1, from('203.0.113.8'))).toEqual([401])
    for (const path of ['/metrics', '/playground']) {
      const headers = { ...BAD, 'x-forwarded-for': '203.0.113.7' }
      expect(await statuses(1, () => fetch(url + path, { headers }))).toEqual([429])
    }
  })

  it('is a whole IPv6 network, not a single IPv6 address', async () => {
    const { url } = await start({ RISKGATE_TRUSTED_PROXIES: '127.0.0.1,::1' })
    const from = (address: string) => closeCode(url, bad, { 'x-forwarded-for': address })
    for (let i = 0; i < LIMIT; i++) expect(await from(`2001:db8:1:2::${i + 1}`)).toBe(4401)
    expect(await from('2001:db8:1:2:ffff::1')).toBe(4429)
    expect(await from('2001:db8:1:3::1')).toBe(4401)
  })

  it('is found behind a port, brackets and quotes; what cannot be read is counted for its proxy', async () => {
    const { url } = await start({ RISKGATE_TRUSTED_PROXIES: '127.0.0.1,::1' })
    const from = (address: string) => call(url, { 'x-forwarded-for': address })
    for (let i = 0; i < LIMIT; i++) expect((await from(`203.0.113.7:${40_000 + i}`)).status).toBe(401)
    expect((await from('203.0.113.7:50000')).status).toBe(429)
    expect((await from('203.0.113.8:50000')).status).toBe(401)
    expect((await from('"[2001:db8::1]:4711"')).status).toBe(401)
    for (let i = 0; i < LIMIT; i++) expect((await from(`203.0.113.${i}, _hidden${i}`)).status).toBe(401)
    expect((await from('203.0.113.99, unknown')).status).toBe(429)
    expect(await metric(gateway, 'riskgate_clients_unnamed_total', { why: 'hidden' })).toBe(LIMIT)
  })

  it('is read from Forwarded alone where the settings say so', async () => {
    const { url } = await start({ RISKGATE_TRUSTED_PROXIES: '127.0.0.1,::1', RISKGATE_FORWARDED_HEADER: 'forwarded' })
    const from = (i: number, forwarded: string) => call(url, { forwarded, 'x-forwarded-for': `203.0.113.${i}` })
    for (let i = 0; i < LIMIT; i++) expect((await from(i, `for="198.51.100.${i}, For="[2001:db8::1]:${i}"`)).status).toBe(401)
    expect((await from(99, 'for="[2001:db8::2]"')).status).toBe(429)
    expect((await from(99, 'for=203.0.113.7')).status).toBe(401)
  })

  it('gets 4429 instead of 4401 on sockets, also after sockets that send nothing or do not sign in', async () => {
    const { url } = await start()
    const subscribe = { id: '1', type: 'subscribe', payload: WATCH }
    const flood = await Promise.all(
      Array.from({ length: LIMIT }, (_, i) => closeCode(url, [[], [subscribe], ['garbage']][i % 3] ?? [])),
    )
    expect(new Set(flood)).toEqual(new Set([4408, 4401, 4400]))
    // The client may see the close a little before the gateway does.
    let tries = 0
    await until(async () => {
      tries++
      return (await closeCode(url, bad)) === 4429
    })
    expect(tries).toBeLessThan(LIMIT / 2)
    expect((await call(url)).status).toBe(429)
  })

  it('cannot lock out a client with silent sockets', async () => {
    const { url } = await start()
    const earlier = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await once(earlier, 'open')
    earlier.send(JSON.stringify({ type: 'connection_init', payload: await credentialOf({ roles: ['MONITOR'] }) }))
    await once(earlier, 'message')
    let [open, cut] = [0, 0]
    const silent = Array.from({ length: 1_100 }, () => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
      socket.on('open', () => open++)
      socket.on('close', code => {
        if (code === 1006) cut++
      })
      socket.on('error', () => {})
      return socket
    })
    await until(() => open === 1_100)
    const sockets = (await gateway.as({ roles: ['MONITOR'] })).sockets()
    opened.push(sockets)
    const events = subscribeTo(sockets, HighRiskScoredDocument, {})
    const next = nextEvent(events)
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 1)
    await until(() => cut >= 101)
    const { id } = await score(await gateway.as({ roles: ['SCORER'] }), 'beside-silence', HIGH_RISK)
    expect((await next).highRiskScored.prediction.id).toBe(id)
    expect(earlier.readyState).toBe(WebSocket.OPEN)
    for (const socket of [earlier, ...silent]) socket.terminate()
  })

  it('is not counted if the limit is zero', async () => {
    const { url } = await start({ RISKGATE_RATE_LIMIT_ADDRESS: '0' })
    expect(new Set(await statuses(50, () => call(url, BAD)))).toEqual(new Set([401]))
  })

  it('does not fill the log, and is not named in it', async () => {
    await start()
    await using noisy = await spawnGateway({ ...gateway.environment, RISKGATE_LOG_LEVEL: 'info' })
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: 10 }, () => statuses(100, () => call(noisy.url, BAD))))
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000)
    await noisy.stop()
    const refused = noisy.log().filter(line => line['error.code'] === 'RATE_LIMITED')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThanOrEqual(seconds)
    expect(JSON.stringify(noisy.log().filter(({ message }) => message !== 'riskgate serves'))).not.toMatch(/127\.0\.0\.1|::1/)
  })
})

describe.skipIf(!REDIS_SERVER)('addresses over replicas', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis[Symbol.asyncDispose]())

  it('share one limit, or have one for each replica while Redis is frozen, and no call waits', async () => {
    await using first = await startGateway({ RISKGATE_RATE_LIMIT_ADDRESS: String(LIMIT), REDIS_URL: redis.url })
    await using second = await startGateway({ ...first.environment, RISKGATE_PORT: '0' }, first.database)
    const urls = [first.url, second.url]
    let i = 0
    const inTurn = () => call(urls[i++ % 2] as string, BAD)
    // Both replicas trust Redis a moment after they have started.
    await until(async () => {
      const answers = await statuses(4, inTurn)
      return answers.every(status => status === 429)
    })
    process.kill(redis.pid, 'SIGSTOP')
    try {
      using waits = watchWaits()
      for (let n = 0; n < 60; n++) expect([401, 429]).toContain((await inTurn()).status)
      // The first call of each replica, for as long as a command may take.
      expect(waits.count).toBeLessThanOrEqual(2)
      const viewer = await (await first.as({ roles: ['SCORER'] })).request(ViewerDocument, {})
      expect(viewer.status).toBe(200)
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
  })
})

describe('the streams of a principal', () => {
  const MAX = 3
  let gateway: TestGateway
  const opened: { dispose(): unknown }[] = []
  beforeAll(async () => {
    gateway = await startGateway({ RISKGATE_MAX_STREAMS: String(MAX) })
  })
  afterEach(async () => {
    for (const client of opened.splice(0)) await client.dispose()
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === 0)
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const watcher = (subject = 'watcher'): Caller => ({ roles: ['MONITOR'], subject })
  const subscribers = (count: number) => until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === count)

  async function openSocket(caller: Caller) {
    const sockets = (await gateway.as(caller)).sockets()
    opened.push(sockets)
    const events = subscribeTo(sockets, HighRiskScoredDocument, {})
    const next = events.next()
    next.catch(() => {})
    return { sockets, next, end: () => events.return?.() }
  }

  async function openEvents(caller: Caller) {
    const streams = (await gateway.as(caller)).eventStreams()
    opened.push(streams)
    const next = subscribeTo(streams, HighRiskScoredDocument, {}).next()
    next.catch(() => {})
    return { streams, next }
  }

  it('are bounded over WebSocket and server-sent events together, and another may open when one ends', async () => {
    const first = await openSocket(watcher())
    await openSocket(watcher())
    await openEvents(watcher())
    await subscribers(MAX)
    const refused = (await (await openSocket(watcher())).next.catch((errors: unknown) => errors)) as GraphqlError[]
    expect(refused).toMatchObject([
      {
        message: 'This client has reached its limit of open subscriptions (3): complete one first.',
        extensions: { code: 'RATE_LIMITED', retryable: true },
      },
    ])
    const response = await fetch(`${gateway.url}/graphql/stream`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...(await credentialOf(watcher())),
      },
      body: JSON.stringify(WATCH),
    })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] })
    expect(await metric(gateway, 'riskgate_rate_limited_total', { kind: 'streams' })).toBe(2)
    await first.end()
    await subscribers(MAX - 1)
    await openSocket(watcher())
    await subscribers(MAX)
  })

  it('are no longer counted when their socket closes, however it closes', async () => {
    for (let round = 0; round < 3; round++) {
      const streams = await Promise.all(Array.from({ length: MAX }, () => openSocket(watcher())))
      await subscribers(MAX)
      for (const { sockets } of streams) round === 1 ? sockets.terminate() : await sockets.dispose()
      await subscribers(0)
    }
    for (let round = 0; round < 3; round++) {
      const streams = await Promise.all(Array.from({ length: MAX }, () => openEvents(watcher())))
      await subscribers(MAX)
      for (const opened of streams) opened.streams.dispose()
      await subscribers(0)
    }
  })

  it('are no longer counted if their ids were completed and used again before they began', async () => {
    for (let round = 0; round < 3; round++) {
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
      await once(socket, 'open')
      socket.send(JSON.stringify({ type: 'connection_init', payload: await credentialOf(watcher()) }))
      await once(socket, 'message')
      for (let i = 0; i < MAX; i++) {
        socket.send(JSON.stringify({ id: 'same', type: 'subscribe', payload: WATCH }))
        socket.send(JSON.stringify({ id: 'same', type: 'complete' }))
      }
      socket.send(JSON.stringify({ type: 'ping' }))
      await once(socket, 'message')
      socket.close()
      await once(socket, 'close')
    }
    await until(async () => {
      const { next, end } = await openSocket(watcher())
      const refused = await Promise.race([
        next.then(
          () => false,
          () => true,
        ),
        subscribers(1).then(() => false),
      ])
      await end()
      return !refused
    })
    await Promise.all(Array.from({ length: MAX }, () => openSocket(watcher())))
    await subscribers(MAX)
  })

  it('are not counted if they were refused', async () => {
    const sockets = (await gateway.as({ roles: ['SCORER'], subject: 'watcher' })).sockets()
    opened.push(sockets)
    for (let i = 0; i < 3 * MAX; i++) {
      const event = await subscribeTo(sockets, HighRiskScoredDocument, {})
        .next()
        .catch((errors: unknown) => ({ value: { errors } }))
      expect(JSON.stringify(event.value)).toContain('FORBIDDEN')
    }
  })

  it('count as several if their requests are long, because a request is kept for the whole stream', async () => {
    const client = await gateway.as(watcher())
    const long = { ...WATCH, query: `${WATCH.query} #${'x'.repeat(60_000)}` }
    const sockets = client.sockets()
    opened.push(sockets)
    const open = (payload: typeof WATCH) => sockets.iterate({ ...payload })
    const first = open(long)
    void first.next().catch(() => {})
    await subscribers(1)
    expect(await client.openStream(WATCH)).toEqual([expect.stringContaining('RATE_LIMITED')])
    await first.return?.()
    await subscribers(0)
    void open(WATCH)
      .next()
      .catch(() => {})
    await subscribers(1)
    expect(await client.openStream(long)).toEqual([expect.stringContaining('RATE_LIMITED')])
    await expect(open(long).next()).rejects.toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }])
    expect(await client.openStream(WATCH)).toEqual([])
  })

  it('do not count for another principal, nor for the same name in another tenant', async () => {
    await Promise.all(Array.from({ length: MAX }, () => openSocket(watcher())))
    await subscribers(MAX)
    await openSocket(watcher('other'))
    await openSocket({ ...watcher(), tenant: 'elsewhere' })
    await subscribers(MAX + 2)
  })
})
