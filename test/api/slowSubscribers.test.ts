import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { score, scoreBatch } from '../support/stored.js'

const ALERTS = 900
// About 20 KiB for each alert, with all allowed aliases: together far more than the operating system buffers.
const COPIES = Array.from({ length: 15 }, (_, i) => `p${i}: prediction { ...P }`).join(' ')
const WATCH = `
  subscription($after: String) { highRiskScored(after: $after) { id cursor ${COPIES} } }
  fragment P on Prediction { id applicantId probability band highRisk createdAt requestedBy modelVersion { name version digest model { contract { name description } } } }`

interface Alert {
  readonly id: string
  readonly cursor: string
}

/** Waits until `count` subscriptions have been ended as too slow, and exactly `open` are open. */
const givenUp = (gateway: TestGateway, count: number, open: number) =>
  vi.waitFor(
    async () => {
      const labels = { operation: 'highRiskScored', code: 'SLOW_SUBSCRIBER' }
      expect(await metric(gateway, 'riskgate_subscriptions_total', labels)).toBe(count)
      expect(await metric(gateway, 'riskgate_alert_subscribers')).toBe(open)
    },
    { timeout: 30_000, interval: 50 },
  )

/** A subscriber on its own socket. */
async function socketWatching({ url }: TestGateway, after: string, token: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const alerts: Alert[] = []
  const waiting = new Set<() => void>()
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }))
  await once(socket, 'message')
  socket.on('message', text => {
    const { payload } = JSON.parse(String(text))
    if (payload) alerts.push(payload.data.highRiskScored)
    for (const look of waiting) look()
  })
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: WATCH, variables: { after } } }))
  const until = (isEnough: () => boolean) =>
    new Promise<void>(resolve => {
      const look = () => isEnough() && resolve()
      waiting.add(look)
      look()
    })
  return { socket, alerts, until, closed: once(socket, 'close'), [Symbol.dispose]: () => socket.terminate() }
}

async function raise(client: GraphqlClient, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i += 100) {
    const items = Array.from({ length: 100 }, (_, j) => application(`a-${i + j}`, HIGH_RISK))
    ids.push(...(await scoreBatch(client, items)).map(({ id }) => id))
  }
  return ids.sort()
}

async function stageOf(gateway: TestGateway) {
  const admin = await gateway.as({ roles: ['ADMIN'] })
  const { alertCursor: after } = await admin.data(AlertCursorDocument, {})
  return { admin, after, token: await signToken({ roles: ['ADMIN'] }) }
}

// These run at once, because most of their time is the gateway's grace for clients that do not read.
describe.concurrent('a subscriber that does not read', { timeout: 120_000 }, () => {
  it('is closed with 4413 and resumes without loss, and others get every alert', async () => {
    await using gateway = await startGateway()
    const { admin, after, token } = await stageOf(gateway)
    const watching = (cursor = after) => socketWatching(gateway, cursor, token)
    using slow = await watching()
    using gone = await watching()
    using fast = await watching()
    for (const { socket } of [slow, gone]) socket.pause()
    // The gateway gives both up before they have read anything. One then reads in time to learn the reason.
    const resumedReading = givenUp(gateway, 2, 1).then(() => {
      expect([...slow.alerts, ...gone.alerts]).toEqual([])
      slow.socket.resume()
    })
    const ids = await raise(admin, ALERTS)
    await fast.until(() => fast.alerts.length === ALERTS)
    expect(fast.alerts.map(({ id }) => id).sort()).toEqual(ids)
    const { id } = await score(admin, 'meanwhile', HIGH_RISK)
    ids.push(id)
    await fast.until(() => fast.alerts.at(-1)?.id === id)

    await resumedReading
    const [code, reason] = await slow.closed
    expect({ code, reason: String(reason) }).toEqual({
      code: 4413,
      reason: 'The alerts were not read fast enough; connect again and resume.',
    })
    const missing = ALERTS + 1 - slow.alerts.length
    expect(missing).toBeGreaterThan(0)
    using resumed = await watching(slow.alerts.at(-1)?.cursor)
    await resumed.until(() => resumed.alerts.length === missing)
    const seen = [...slow.alerts, ...resumed.alerts]
    expect(seen.map(alert => alert.id).sort()).toEqual(ids.sort())
    expect(seen.map(({ cursor }) => cursor)).toEqual(fast.alerts.map(({ cursor }) => cursor))

    // Waits for the end of the other's grace period: no event announces it to a client that does not read.
    await sleep(5_000)
    gone.socket.resume()
    expect((await gone.closed)[0]).toBe(1006)
  })

  it('on an event stream is cut off, and resumes without loss', async () => {
    await using gateway = await startGateway()
    const { admin, after, token } = await stageOf(gateway)
    const open = async (cursor: string) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'text/event-stream' }
      const asking = request(`${gateway.url}/graphql/stream`, { method: 'POST', headers })
      asking.end(JSON.stringify({ query: WATCH, variables: { after: cursor } }))
      const [response] = (await once(asking, 'response')) as [IncomingMessage]
      return response
    }
    // The response is paused as long as it has no data listener.
    const slow = await open(after)
    const ids = await raise(admin, ALERTS)
    await givenUp(gateway, 1, 0)
    const seen: Alert[] = []
    // It reads what the operating system has buffered, and then the stream breaks off.
    await expect(readAlerts(slow, seen, ALERTS)).rejects.toThrow('aborted')
    expect(seen.length).toBeLessThan(ALERTS)
    await readAlerts(await open(seen.at(-1)?.cursor ?? after), seen, ALERTS)
    expect(seen.map(({ id }) => id).sort()).toEqual(ids)
    await givenUp(gateway, 1, 0)
  })
})

/** Adds the alerts of complete events, until there are `count`. */
async function readAlerts(response: IncomingMessage, alerts: Alert[], count: number): Promise<void> {
  let rest = ''
  for await (const piece of response.setEncoding('utf8')) {
    const events = (rest + piece).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      if (event.startsWith('event: next')) alerts.push(JSON.parse(event.slice(event.indexOf('{'))).data.highRiskScored)
    }
    if (alerts.length === count) return
  }
}
