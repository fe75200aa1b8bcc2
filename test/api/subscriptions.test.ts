import type { Client } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { goldenRows, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { type GraphqlClient, nextEvent, subscribeTo } from '../support/client.js'
import { type Caller, startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  HighRiskScoredDocument,
  HighRiskScoredInFullDocument,
  type HighRiskScoredSubscriptionVariables,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { score } from '../support/stored.js'

const T7 = goldenRows('2').find(({ probability }) => probability > 0.4 && probability < 0.5)?.features

let gateway: TestGateway
const opened: Client[] = []
beforeAll(async () => {
  gateway = await startGateway()
})
afterEach(async () => {
  for (const sockets of opened.splice(0)) await sockets.dispose()
  await subscribers(0)
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** A new tenant for each test: a client that scores, one that listens, and its socket. */
async function tenantOf(tenant: string, listening: Caller['roles'] = ['MONITOR']) {
  const scorer = await gateway.as({ roles: ['SCORER'], tenant })
  const monitor = await gateway.as({ roles: listening, tenant })
  return { scorer, monitor, sockets: socketsOf(monitor) }
}

function socketsOf(client: GraphqlClient): Client {
  const sockets = client.sockets()
  opened.push(sockets)
  return sockets
}

function alerts(sockets: Client, variables: HighRiskScoredSubscriptionVariables = {}) {
  const events = subscribeTo(sockets, HighRiskScoredDocument, variables)
  return { next: async () => (await nextEvent(events)).highRiskScored, end: () => events.return?.() }
}

async function scoreMany(scorer: GraphqlClient, count: number, features = HIGH_RISK): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push((await score(scorer, `many-${i}`, features)).id)
  return ids
}

const cursorOfNow = async (client: GraphqlClient) => (await client.data(AlertCursorDocument, {})).alertCursor

/** Waits until exactly `count` subscriptions are open. */
const subscribers = (count: number) =>
  vi.waitFor(async () => expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(count), {
    timeout: 5_000,
    interval: 10,
  })

describe('highRiskScored', () => {
  it('sends each high-risk score with all its fields, and no other score', async () => {
    const { scorer, sockets } = await tenantOf('live', ['ANALYST'])
    const events = subscribeTo(sockets, HighRiskScoredInFullDocument, {})
    const event = nextEvent(events)
    await subscribers(1)
    await score(scorer, 'low', LOW_RISK)
    const prediction = await score(scorer, 'high', HIGH_RISK)
    const { highRiskScored } = await event
    expect(highRiskScored).toEqual({
      id: prediction.id,
      cursor: expect.stringMatching(/^\S{16,}$/),
      raisedAt: prediction.createdAt,
      prediction: {
        ...prediction,
        modelVersion: { version: '2' },
        applicant: { id: 'high' },
        features: expect.arrayContaining([{ name: 'price', number: HIGH_RISK.price }]),
      },
    })
  })

  it('hides the features from a MONITOR, and shows the rest of the alert', async () => {
    const { scorer, monitor, sockets } = await tenantOf('hidden')
    await monitor.data(AlertCursorDocument, {})
    const events = subscribeTo(sockets, HighRiskScoredInFullDocument, {})
    const event = events.next()
    await subscribers(1)
    const { id } = await score(scorer, 'high', HIGH_RISK)
    const { value } = await event
    expect(value.data.highRiskScored).toMatchObject({ id, prediction: { id, features: null } })
    expect(value.errors).toMatchObject([
      { path: ['highRiskScored', 'prediction', 'features'], extensions: { code: 'FORBIDDEN' } },
    ])
  })

  it('leaves out alerts that do not match the filter', async () => {
    const { scorer, monitor, sockets } = await tenantOf('filtered')
    const after = await cursorOfNow(monitor)
    await score(scorer, 'seven', T7)
    await score(scorer, 'eight', HIGH_RISK)
    const seven = await score(scorer, 'seven-again', T7)
    expect(seven.band).toBe('T7')
    const ofBand = async (filter: HighRiskScoredSubscriptionVariables['filter']) => {
      const { next, end } = alerts(sockets, { after, filter: filter ?? null })
      const first = await next()
      await end()
      return first.prediction.applicantId
    }
    expect(await ofBand({ bands: ['T8'] })).toBe('eight')
    expect(await ofBand({ bands: ['T7'] })).toBe('seven')
    expect(await ofBand({ bands: ['T7', 'T8'], model: 'consumer-credit' })).toBe('seven')
    expect(await ofBand(null)).toBe('seven')

    const none = [alerts(sockets, { after, filter: { bands: [] } }), alerts(sockets, { after, filter: { model: 'mortgage' } })]
    const arrived: unknown[] = []
    for (const { next } of none)
      void next().then(
        event => arrived.push(event),
        () => {},
      )
    await subscribers(2)
    await score(scorer, 'late', HIGH_RISK)
    // Another subscriber of the tenant received it, so these two could have received it too.
    expect(await ofBand({ bands: ['T8'] })).toBe('eight')
    expect(arrived).toEqual([])
  })

  it('misses and repeats no alert after a disconnect', async () => {
    const { scorer, monitor, sockets } = await tenantOf('resumed')
    const before = alerts(sockets, { after: await cursorOfNow(monitor) })
    const ids = await scoreMany(scorer, 3)
    const seen = [await before.next(), await before.next()]
    await sockets.dispose()
    ids.push(...(await scoreMany(scorer, 4)))
    await score(scorer, 'low', LOW_RISK)

    const resumed = alerts(socketsOf(monitor), { after: seen[1]?.cursor ?? '' })
    for (let i = 0; i < 5; i++) seen.push(await resumed.next())
    ids.push(...(await scoreMany(scorer, 3)))
    for (let i = 0; i < 3; i++) seen.push(await resumed.next())
    expect(seen.map(({ id }) => id)).toEqual(ids)
    const cursors = seen.map(({ cursor }) => cursor)
    expect(cursors).toEqual([...new Set(cursors)].sort())
  })

  it('begins after alertCursor, also with alerts from before the subscription', async () => {
    const { scorer, monitor, sockets } = await tenantOf('from-now')
    await scoreMany(scorer, 2)
    const after = await cursorOfNow(monitor)
    const [id] = await scoreMany(scorer, 1)
    expect((await alerts(sockets, { after }).next()).id).toBe(id)
  })

  it('delivers a hundred simultaneous scores, each once', async () => {
    const { scorer, monitor, sockets } = await tenantOf('burst')
    const { next } = alerts(sockets, { after: await cursorOfNow(monitor) })
    const scored = await Promise.all(Array.from({ length: 100 }, (_, i) => score(scorer, `burst-${i}`, HIGH_RISK)))
    const received: string[] = []
    for (let i = 0; i < 100; i++) received.push((await next()).id)
    expect(received.sort()).toEqual(scored.map(({ id }) => id).sort())
  })

  it('never sends a score of another tenant', async () => {
    const here = await tenantOf('here')
    const there = await tenantOf('there')
    const after = await cursorOfNow(there.monitor)
    const [resumed, live] = [alerts(there.sockets, { after }), alerts(there.sockets)]
    const [first, second] = [resumed.next(), live.next()]
    await subscribers(2)
    await scoreMany(here.scorer, 3)
    const [id] = await scoreMany(there.scorer, 1)
    expect([(await first).id, (await second).id]).toEqual([id, id])
    // A cursor holds a position and no right: another tenant cannot read anything with it.
    const foreign = alerts(there.sockets, { after: await cursorOfNow(here.monitor) }).next()
    await scoreMany(here.scorer, 1)
    const [next] = await scoreMany(there.scorer, 1)
    expect((await foreign).id).toBe(next)
  })

  it('gives no access from an alert to the history of its applicant', async () => {
    const { scorer, monitor, sockets } = await tenantOf('way-in')
    const after = await cursorOfNow(monitor)
    await scoreMany(scorer, 2)
    for (const fields of ['latestPrediction { id }', 'predictions { nodes { id } }']) {
      const query = `subscription($after: String) { highRiskScored(after: $after) { id prediction { applicant { ${fields} } } } }`
      const { value } = await sockets.iterate({ query, variables: { after } }).next()
      expect(value.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      expect(JSON.stringify(value.data?.highRiskScored?.prediction?.applicant ?? null)).toMatch(
        /^(null|{"latestPrediction":null})$/,
      )
    }
  })

  it('reads the data beside each alert anew', async () => {
    const { scorer, sockets } = await tenantOf('anew', ['ANALYST'])
    const events = sockets.iterate<{ highRiskScored: { id: string; prediction: { applicant: unknown } } }>({
      query: 'subscription { highRiskScored { id prediction { applicant { latestPrediction { id } } } } }',
    })
    let event = events.next()
    await subscribers(1)
    for (let i = 0; i < 3; i++) {
      const { id } = await score(scorer, 'the-same', HIGH_RISK)
      expect((await event).value.data.highRiskScored).toEqual({ id, prediction: { applicant: { latestPrediction: { id } } } })
      event = events.next()
    }
    event.catch(() => {})
  })

  it('serves several subscriptions on one socket, and frees each as it completes', async () => {
    const { scorer, sockets } = await tenantOf('several')
    const [seven, eight] = [alerts(sockets, { filter: { bands: ['T7'] } }), alerts(sockets, { filter: { bands: ['T8'] } })]
    const [ofSeven, ofEight] = [seven.next(), eight.next()]
    await subscribers(2)
    const [high, middle] = [await score(scorer, 'a', HIGH_RISK), await score(scorer, 'b', T7)]
    expect([(await ofSeven).id, (await ofEight).id]).toEqual([middle.id, high.id])
    await seven.end()
    await subscribers(1)
    const again = eight.next()
    const { id } = await score(scorer, 'c', HIGH_RISK)
    expect((await again).id).toBe(id)
    await eight.end()
    await subscribers(0)
  })

  it('is freed when its socket is lost', async () => {
    const { sockets } = await tenantOf('lost')
    void alerts(sockets)
      .next()
      .catch(() => {})
    await subscribers(1)
    sockets.terminate()
    await subscribers(0)
  })

  it('ends with 1001 when the gateway stops, and resumes at another gateway', async () => {
    const caller: Caller = { roles: ['ADMIN'], tenant: 'moved' }
    const first = await startGateway({}, gateway.database)
    const before = await first.as(caller)
    const sockets = socketsOf(before)
    const closed = new Promise<number>(resolve => sockets.on('closed', event => resolve((event as { code: number }).code)))
    const stream = alerts(sockets, { after: await cursorOfNow(before) })
    await scoreMany(before, 1)
    const { cursor } = await stream.next()
    const waiting = stream.next().catch(() => {})
    await first[Symbol.asyncDispose]()
    expect(await closed).toBe(1001)
    await waiting
    const after = await gateway.as(caller)
    const [id] = await scoreMany(after, 1)
    expect((await alerts(socketsOf(after), { after: cursor }).next()).id).toBe(id)
  })
})
