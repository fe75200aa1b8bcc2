import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { OwnedWebhook } from '../../../src/webhooks/callPlaces.js'
import { type CourierOptions, WebhookCourier } from '../../../src/webhooks/webhookCourier.js'
import type { AttemptResult, TakenDelivery, WebhookOutbox } from '../../../src/webhooks/webhookOutbox.js'
import { newWebhookSecret } from '../../../src/webhooks/webhookSignature.js'
import { until } from '../../support/process.js'
import { startReceiver } from '../../support/receiver.js'
import { newPrediction } from '../../support/stores.js'

/** An outbox with endless deliveries for every webhook; it records settled and returned deliveries. */
function endlessOutbox(url: string, attempts = 0, mayWait = true) {
  const settled: AttemptResult[] = []
  const givenBack: TakenDelivery[] = []
  const newDelivery = (webhookId: string): TakenDelivery => {
    const { prediction } = newPrediction()
    const alert = { id: prediction.id, cursor: 'c', raisedAt: prediction.createdAt, prediction }
    const ids = { id: randomUUID(), webhookId, turn: 1 }
    return { ...ids, attempts, mayWait, url, secrets: [newWebhookSecret()], alert }
  }
  const outbox: Pick<WebhookOutbox, 'take' | 'settle' | 'giveBack'> = {
    take: async (webhookId, limit) => Array.from({ length: limit }, () => newDelivery(webhookId)),
    settle: async (_delivery, result) => void settled.push(result),
    giveBack: async delivery => void givenBack.push(delivery),
  }
  return { settled, givenBack, outbox: outbox as WebhookOutbox }
}

function newCourier(outbox: WebhookOutbox, options: Partial<CourierOptions> = {}) {
  const failures: unknown[] = []
  const defaults = {
    mayBePrivate: true,
    maxAttempts: 12,
    longestWaitSeconds: 60,
    now: Date.now,
    freed: () => {},
    ended: () => {},
  }
  return {
    failures,
    courier: new WebhookCourier({ outbox, failed: (error, step) => failures.push([step, error]), ...defaults, ...options }),
  }
}

function webhooksOf(tenant: string, ids: readonly string[]): OwnedWebhook[] {
  return ids.map(webhookId => ({ tenant, webhookId }))
}

describe('the courier', () => {
  it('signs with the time of the clock that it is given', async () => {
    await using receiver = await startReceiver(() => 204)
    const { outbox } = endlessOutbox(receiver.url)
    const { courier } = newCourier(outbox, { now: () => 1_700_000_000_500 })
    await courier.collect(webhooksOf('one', ['a']))
    await receiver.received(1)
    expect(receiver.calls[0]?.headers['webhook-timestamp']).toBe('1700000000')
    await courier.stop()
  })

  it('makes at most 16 calls at once to one webhook', async () => {
    await using silent = await startReceiver(() => undefined)
    const { outbox, givenBack, settled } = endlessOutbox(silent.url)
    const { courier, failures } = newCourier(outbox)
    await courier.collect(webhooksOf('one', ['a', 'a']))
    await courier.collect(webhooksOf('one', ['a']))
    await silent.received(16)
    const stopped = courier.stop()
    await courier.collect(webhooksOf('one', ['late']))
    await stopped
    expect(silent.calls).toHaveLength(16)
    expect(givenBack).toHaveLength(16)
    expect([settled, failures]).toEqual([[], []])
  })

  it('has a place for a tenant beside twenty webhooks of another tenant that never answer', async () => {
    await using silent = await startReceiver(() => undefined)
    const { outbox, givenBack } = endlessOutbox(silent.url)
    const { courier } = newCourier(outbox)
    const hanging = webhooksOf(
      'noisy',
      Array.from({ length: 20 }, (_, i) => `hanging-${i}`),
    )
    for (let round = 0; round < 20; round++) await courier.collect(hanging)
    await courier.collect([...hanging, ...webhooksOf('quiet', ['healthy'])])
    await courier.stop()
    const callsTo = (name: string) => givenBack.filter(({ webhookId }) => webhookId === name).length
    expect(callsTo('healthy')).toBe(16)
    for (const { webhookId } of hanging) expect(callsTo(webhookId)).toBeGreaterThan(0)
  })

  it('takes no more deliveries and makes no new calls once it is stopped, while open calls end', async () => {
    await using silent = await startReceiver(() => undefined)
    const { outbox, givenBack } = endlessOutbox(silent.url)
    const asked: string[] = []
    let goOn = () => {}
    const slow = new Promise<void>(resolve => {
      goOn = resolve
    })
    const { courier } = newCourier({
      ...outbox,
      take: async (webhookId, limit) => {
        asked.push(webhookId)
        if (webhookId === 'b') await slow
        return outbox.take(webhookId, limit)
      },
    } as WebhookOutbox)
    const collected = courier.collect(webhooksOf('one', ['a', 'b', 'c']))
    await silent.received(16)
    const stopped = courier.stop()
    goOn()
    await collected
    expect(asked).toEqual(['a', 'b'])
    expect(givenBack.map(({ webhookId }) => webhookId)).toEqual(Array(16).fill('b'))
    await stopped
    expect(silent.calls).toHaveLength(16)
  })

  it.each([
    [204, 0, { state: 'DELIVERED', status: 204, error: null }],
    [500, 0, { state: 'PENDING', status: 500, error: 'The endpoint answered with status 500.' }],
    [500, 11, { state: 'DEAD', status: 500, error: 'The endpoint answered with status 500. That was the last of 12 attempts.' }],
    [302, 0, { state: 'PENDING', status: 302, error: 'The endpoint answered with a redirect (302), which is not followed.' }],
    [410, 0, { state: 'DEAD', status: 410, error: 'The endpoint answered 410: it does not want this alert.' }],
  ] as const)('settles a delivery correctly on status %i after %i attempts', async (status, attempts, result) => {
    await using receiver = await startReceiver(status)
    const { outbox, settled } = endlessOutbox(receiver.url, attempts)
    const { courier } = newCourier(outbox)
    await courier.collect(webhooksOf('one', ['a']))
    await until(() => settled.length === 16)
    expect(settled[0]).toEqual(result)
    await courier.stop()
  })

  const LAST = ' That was the last of 12 attempts.'
  it.each<[string, number, Record<string, string | string[]>, boolean, object]>([
    ['429 in seconds', 429, { 'retry-after': '30' }, true, { state: 'PENDING', status: 429, waitSeconds: 30 }],
    ['503 in seconds', 503, { 'retry-after': '30' }, true, { state: 'PENDING', status: 503, waitSeconds: 30 }],
    ['more than the cap', 429, { 'retry-after': '86400' }, true, { state: 'PENDING', status: 429, waitSeconds: 60 }],
    ['several lines', 429, { 'retry-after': ['1', '20'] }, true, { state: 'PENDING', status: 429, waitSeconds: 20 }],
    [
      'a date, by its own clock',
      503,
      { 'retry-after': 'Mon, 30 Nov 2020 10:00:40 GMT', date: 'Mon, 30 Nov 2020 10:00:00 GMT' },
      true,
      { state: 'PENDING', status: 503, waitSeconds: 40 },
    ],
    ['no pause', 429, {}, true, { state: 'DEAD', status: 429, error: `The endpoint answered with status 429.${LAST}` }],
    ['a negative one', 429, { 'retry-after': '-1' }, true, { state: 'DEAD', status: 429 }],
    ['it too late', 429, { 'retry-after': '30' }, false, { state: 'DEAD', status: 429 }],
    ['it with another status', 500, { 'retry-after': '30' }, true, { state: 'DEAD', status: 500 }],
    ['it with a redirect', 301, { 'retry-after': '30' }, true, { state: 'DEAD', status: 301 }],
  ])('keeps a last attempt for later only where the endpoint may ask to: %s', async (_what, status, headers, mayWait, result) => {
    await using receiver = await startReceiver((_call, response) => response.writeHead(status, headers).end())
    const { outbox, settled } = endlessOutbox(receiver.url, 11, mayWait)
    const { courier } = newCourier(outbox)
    await courier.collect(webhooksOf('one', ['a']))
    await until(() => settled.length === 16)
    expect(settled[0]).toMatchObject(result)
    expect('waitSeconds' in (settled[0] ?? {})).toBe('waitSeconds' in result)
    await courier.stop()
  })

  it('grants no pause where the settings say so', async () => {
    await using receiver = await startReceiver((_call, response) => response.writeHead(429, { 'retry-after': '30' }).end())
    const { outbox, settled } = endlessOutbox(receiver.url)
    const { courier } = newCourier(outbox, { longestWaitSeconds: 0 })
    await courier.collect(webhooksOf('one', ['a']))
    await until(() => settled.length === 16)
    expect(settled[0]).not.toHaveProperty('waitSeconds')
    await courier.stop()
  })

  it('reports that an attempt result could not be stored, and goes on', async () => {
    await using receiver = await startReceiver()
    const { outbox } = endlessOutbox(receiver.url)
    const { courier, failures } = newCourier({ ...outbox, settle: () => Promise.reject(new Error('away')) })
    await courier.collect(webhooksOf('one', ['a']))
    await until(() => failures.length === 16)
    expect(failures[0]).toEqual(['settle', new Error('away')])
    await courier.collect(webhooksOf('one', ['a']))
    await receiver.received(32)
    await courier.stop()
  })

  it('reports that the deliveries of a webhook could not be fetched, and goes on with the next', async () => {
    await using receiver = await startReceiver()
    const { outbox } = endlessOutbox(receiver.url)
    const take: WebhookOutbox['take'] = async (webhookId, limit) => {
      if (webhookId === 'broken') throw new Error('away')
      return outbox.take(webhookId, limit)
    }
    const { courier, failures } = newCourier({ ...outbox, take })
    await courier.collect(webhooksOf('one', ['broken', 'a']))
    await receiver.received(16)
    expect(failures).toEqual([['take', new Error('away')]])
    await courier.stop()
  })
})
