import { createHmac, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { limitersOfProcess } from '../../src/cache/limiters.js'
import { RegistryDeliveries } from '../../src/releases/mlflow/registryDeliveries.js'
import { AddressLimit } from '../../src/server/limits/addressLimit.js'
import { startTransport, type TransportServer } from './support/transportServer.js'

const SECRET = 'the-secret-of-the-webhook-in-mlflow'
const PER_MINUTE = 20

let server: TransportServer
let poked: string[]
let limited: string[]
beforeAll(() => start())
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(() => {
  ;[poked, limited] = [[], []]
})

async function start(): Promise<void> {
  const deliveries = new RegistryDeliveries(SECRET, name => poked.push(name))
  const limiter = limitersOfProcess({ name: 'address', limit: PER_MINUTE, windowSeconds: 60 })
  server = await startTransport({
    mlflowWebhook: delivery => deliveries.receive(delivery),
    addresses: new AddressLimit(limiter, kind => limited.push(kind)),
  })
}

const alias = (at = new Date(), action = 'created') => ({
  entity: 'model_version_alias',
  action,
  timestamp: at.toISOString(),
  data: { name: 'loans', alias: 'champion', ...(action === 'created' && { version: '2' }) },
})

interface Answer {
  readonly result?: string
  readonly errors?: readonly { message: string; extensions: { code: string } }[]
}

interface Signing {
  readonly id?: string
  readonly seconds?: number
  readonly secret?: string
  readonly headers?: Record<string, string>
}

/** Signs and sends as MLflow does. */
async function deliver(event: object | string, { id = randomUUID(), seconds, secret = SECRET, headers }: Signing = {}) {
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const timestamp = String(seconds ?? Math.floor(Date.now() / 1_000))
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  const signed = { 'x-mlflow-delivery-id': id, 'x-mlflow-timestamp': timestamp, 'x-mlflow-signature': `v1,${mac}` }
  return send(body, { ...signed, ...headers })
}

async function send(body: string, headers: Record<string, string>) {
  const response = await fetch(`${server.url}/mlflow/webhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  const answer = (await response.json()) as Answer
  return {
    status: response.status,
    result: answer.result,
    code: answer.errors?.[0]?.extensions.code,
    says: answer.errors?.[0]?.message,
  }
}

const taken = (result: string) => ({ status: 200, result, code: undefined, says: undefined })

describe('a delivery of MLflow', () => {
  it('that is signed makes the gateway ask, whichever event of a version or an alias it is', async () => {
    expect(await deliver(alias())).toEqual(taken('ACCEPTED'))
    expect(await deliver(alias(new Date(), 'deleted'))).toEqual(taken('ACCEPTED'))
    const { timestamp } = alias()
    const created = { entity: 'model_version', action: 'created', timestamp, data: { name: 'rent', version: '1' } }
    expect(await deliver(created)).toEqual(taken('ACCEPTED'))
    expect(await deliver({ entity: 'registered_model', action: 'created', timestamp, data: { name: 'new' } })).toEqual(
      taken('ACCEPTED'),
    )
    expect(poked).toEqual(['loans', 'loans', 'rent', 'new'])
  })

  it('that comes again, or after a newer one, is answered and does nothing', async () => {
    const id = randomUUID()
    await deliver(alias(), { id })
    expect(await deliver(alias(), { id })).toEqual(taken('REPLAYED'))
    expect(await deliver(alias(new Date(Date.now() - 60_000)))).toEqual(taken('OUT_OF_ORDER'))
    expect(poked).toEqual(['loans'])
  })

  it('of a tag, which the gateway itself writes, or of another kind is answered and does nothing', async () => {
    const { timestamp } = alias()
    const tag = {
      entity: 'model_version_tag',
      action: 'set',
      timestamp,
      data: { name: 'loans', version: '2', key: 'k', value: 'v' },
    }
    expect(await deliver(tag)).toEqual(taken('ACCEPTED'))
    expect(await deliver({ entity: 'prompt', action: 'created', timestamp, data: {} })).toEqual(taken('OTHER_EVENT'))
    expect(await deliver('not JSON')).toEqual(taken('OTHER_EVENT'))
    expect(poked).toEqual([])
  })

  it('is refused where it is forged, late, early or not signed', async () => {
    const now = Math.floor(Date.now() / 1_000)
    const refused = (says: string) => ({
      status: 401,
      result: undefined,
      code: 'UNAUTHENTICATED',
      says: expect.stringContaining(says),
    })
    expect(await deliver(alias(), { secret: 'another' })).toEqual(refused('signature of the delivery is wrong'))
    expect(await deliver(alias(), { seconds: now - 301 })).toEqual(refused('more than five minutes ago'))
    expect(await deliver(alias(), { seconds: now + 302 })).toEqual(refused('ahead of the clock'))
    expect(await send('{}', {})).toEqual(refused('is not signed'))
    expect(await deliver(alias(), { headers: { 'x-mlflow-delivery-id': 'another' } })).toEqual(refused('is wrong'))
    expect(poked).toEqual([])
  })

  it('is refused where it is too large, or no JSON by its type', async () => {
    expect(await deliver(`"${'x'.repeat(64 * 1024)}"`)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
    expect(await deliver(`"${'x'.repeat(60 * 1024)}"`)).toEqual(taken('OTHER_EVENT'))
    expect(await deliver(alias(), { headers: { 'content-type': 'text/plain' } })).toMatchObject({
      status: 400,
      code: 'BAD_REQUEST',
    })
    expect(poked).toEqual([])
    expect(server.reports).toEqual([])
  })
})

it('forged deliveries count against their address, and those of MLflow pass all the same', async () => {
  await server[Symbol.asyncDispose]()
  await start()
  const answers = []
  for (let i = 0; i <= PER_MINUTE; i++) answers.push((await deliver(alias(), { secret: 'another' })).status)
  expect(answers).toEqual([...Array(PER_MINUTE).fill(401), 429])
  expect(limited).toEqual(['address'])
  expect(await deliver(alias())).toEqual(taken('ACCEPTED'))
})

it('there is no such address without a secret, and no other method at it', async () => {
  const other = await fetch(`${server.url}/mlflow/webhook`)
  expect([other.status, other.headers.get('allow')]).toEqual([405, 'POST'])
  await using without = await startTransport()
  expect((await fetch(`${without.url}/mlflow/webhook`, { method: 'POST' })).status).toBe(404)
})
