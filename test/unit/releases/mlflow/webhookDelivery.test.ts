import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { AcceptedDeliveries } from '../../../../src/releases/mlflow/acceptedDeliveries.js'
import { readEvent } from '../../../../src/releases/mlflow/registryEvent.js'
import { type Delivery, type DeliveryRules, verifyDelivery } from '../../../../src/releases/mlflow/webhookDelivery.js'

const SECRET = 's3cret-of-the-hook'
const RECORDED = new URL('../../../fixtures/mlflow/webhook-deliveries.jsonl', import.meta.url)
const deliveries = readFileSync(RECORDED, 'utf8')
  .trim()
  .split('\n')
  .map((line): Delivery => {
    const { headers, body } = JSON.parse(line)
    return {
      id: headers['X-MLflow-Delivery-Id'],
      timestamp: headers['X-MLflow-Timestamp'],
      signature: headers['X-MLflow-Signature'],
      body: Buffer.from(body),
    }
  })
const ALIAS = deliveries[1] as Delivery
const sentMs = (delivery: Delivery) => Number(delivery.timestamp) * 1_000

function verify(delivery: Delivery, rules: Partial<DeliveryRules> = {}) {
  return verifyDelivery(delivery, { secrets: [SECRET], nowMs: sentMs(ALIAS), isKnown: () => false, ...rules })
}

function signed(body: string, id = 'an-id', timestamp = ALIAS.timestamp as string, secret = SECRET): Delivery {
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { id, timestamp, signature: `v1,${mac}`, body: Buffer.from(body) }
}

const flipped = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)

describe('a recorded delivery of MLflow 3.17', () => {
  it('is verified, and its event is read', () => {
    const events = deliveries.map(delivery => verify(delivery, { nowMs: sentMs(delivery) }))
    expect(events).toHaveLength(7)
    expect(events.map(verified => ('event' in verified ? verified.event.entity : verified.refused))).toEqual([
      'model_version',
      'model_version_alias',
      'model_version_tag',
      'model_version_tag',
      'model_version_alias',
      'model_version',
      'model_version',
    ])
    expect(events[1]).toEqual({
      id: 'a756c3a5-a9b7-4c0f-bc61-b350d446dbb2',
      event: {
        entity: 'model_version_alias',
        action: 'created',
        timestamp: Date.parse('2026-11-30T02:39:30.861Z'),
        data: { name: 'credit-c-xgboost', alias: 'champion', version: '2' },
      },
    })
  })

  it.each<[string, Partial<Delivery>]>([
    ['another body', { body: Buffer.from(Buffer.from(ALIAS.body).toString().replace('"2"', '"3"')) }],
    ['a space more in its body', { body: Buffer.concat([ALIAS.body, Buffer.from(' ')]) }],
    ['another id', { id: 'a756c3a5-a9b7-4c0f-bc61-b350d446dbb3' }],
    ['another time', { timestamp: '1796006371' }],
    ['the signature of another delivery', { signature: deliveries[2]?.signature }],
    ['a signature with another bit', { signature: flipped(ALIAS.signature as string, 10) }],
    ['a signature of another version', { signature: ALIAS.signature?.replace('v1', 'v2') }],
    ['half of its signature', { signature: ALIAS.signature?.slice(0, 20) }],
    ['an empty signature', { signature: 'v1,' }],
  ])('is FORGED with %s', (_what, change) => {
    expect(verify({ ...ALIAS, ...change })).toEqual({ refused: 'FORGED' })
  })

  it('is FORGED under another secret, and anything is under an empty one', () => {
    expect(verify(ALIAS, { secrets: ['another'] })).toEqual({ refused: 'FORGED' })
    expect(verify(signed('{}', 'an-id', ALIAS.timestamp, ''), { secrets: [''] })).toEqual({ refused: 'FORGED' })
    expect(verify(ALIAS, { secrets: ['the next', SECRET] })).toMatchObject({ id: ALIAS.id })
  })

  it.each(['id', 'timestamp', 'signature'] as const)('is UNSIGNED without its %s', header => {
    expect(verify({ ...ALIAS, [header]: undefined })).toEqual({ refused: 'UNSIGNED' })
  })

  it('is LATE more than five minutes away from our clock, on either side', () => {
    for (const late of [300_001, -300_001]) expect(verify(ALIAS, { nowMs: sentMs(ALIAS) + late })).toEqual({ refused: 'LATE' })
    for (const inTime of [300_000, -300_000]) expect(verify(ALIAS, { nowMs: sentMs(ALIAS) + inTime })).toHaveProperty('event')
    expect(verify(signed('{}', 'an-id', 'NaN'))).toEqual({ refused: 'LATE' })
  })

  it('is REPLAYED once it was accepted, as long as it is not LATE', () => {
    const accepted = new AcceptedDeliveries()
    const nowMs = sentMs(ALIAS)
    const rules = (at: number) => ({ nowMs: at, isKnown: (id: string) => accepted.isKnown(id, at) })
    const first = verify(ALIAS, rules(nowMs))
    if (!('event' in first)) throw new Error(first.refused)
    accepted.accept(first, nowMs)
    expect(verify(ALIAS, rules(nowMs + 1))).toEqual({ refused: 'REPLAYED' })
    expect(verify(ALIAS, rules(nowMs + 300_000))).toEqual({ refused: 'REPLAYED' })
    expect(verify(ALIAS, rules(nowMs + 300_001))).toEqual({ refused: 'LATE' })
  })

  it('is OTHER_EVENT where it is signed and of no kind that a release depends on', () => {
    for (const body of ['not JSON', '{"entity":"prompt","action":"created","timestamp":"2026-11-30T02:39:30Z","data":{}}']) {
      expect(verify(signed(body))).toEqual({ refused: 'OTHER_EVENT' })
    }
  })
})

describe('events out of order', () => {
  const event = (second: number, alias = 'champion') => {
    const timestamp = `2026-11-30T02:39:0${second}+00:00`
    const read = readEvent(
      JSON.stringify({
        entity: 'model_version_alias',
        action: 'created',
        timestamp,
        data: { name: 'm', alias, version: `${second}` },
      }),
    )
    if (!read) throw new Error('it is no event')
    return { id: `${alias} ${second}`, event: read }
  }

  it('say nothing new after a newer one of their subject, and all of another subject', () => {
    const accepted = new AcceptedDeliveries()
    const said = [event(2), event(1), event(1, 'shadow'), event(3), event(3)].map(each => accepted.accept(each, 0))
    expect(said).toEqual([true, false, true, true, true])
    // It is known all the same.
    expect(accepted.isKnown('champion 1', 0)).toBe(true)
  })

  it('are remembered for 10,000 subjects, those that came last', () => {
    const accepted = new AcceptedDeliveries()
    accepted.accept(event(2), 0)
    for (let i = 0; i < 10_000; i++) accepted.accept(event(2, `alias-${i}`), 0)
    expect(accepted.accept(event(1), 0)).toBe(true)
    expect(accepted.accept(event(1, 'alias-9999'), 0)).toBe(false)
  })

  it('are forgotten with their ids after ten minutes', () => {
    const accepted = new AcceptedDeliveries()
    accepted.accept(event(1), 0)
    accepted.accept(event(2), 600_001)
    expect(accepted.isKnown('champion 1', 600_001)).toBe(false)
    expect(accepted.isKnown('champion 2', 600_001)).toBe(true)
  })
})
