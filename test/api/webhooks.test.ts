import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  CreateWebhookDocument,
  DeleteWebhookDocument,
  HighRiskScoredDocument,
  RedeliverWebhookDocument,
  RotateWebhookSecretDocument,
  WebhooksDocument,
  type WebhooksQuery,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { startReceiver, verified } from '../support/receiver.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

const SETTINGS = {
  RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
  RISKGATE_WEBHOOK_ATTEMPTS: '2',
  RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
}

/** Each test has a new tenant, so that its webhooks get no alerts of other tests. */
let tenants = 0

interface Tenant {
  readonly admin: GraphqlClient
  readonly monitor: GraphqlClient
  /** Scores one high-risk application; returns the id of the alert. */
  score(applicantId?: string): Promise<string>
  create(url: string, filter?: { bands?: ('T7' | 'T8')[]; model?: string }): Promise<{ id: string; secret: string }>
  webhook(variables?: { first?: number; state?: 'PENDING' | 'DELIVERED' | 'DEAD' }): Promise<WebhooksQuery['webhooks'][number]>
}

function newTenant(gateway: TestGateway): Promise<Tenant> {
  return tenantOf(gateway, ++tenants)
}

async function tenantOf(gateway: TestGateway, number: number): Promise<Tenant> {
  const tenant = `tenant-${number}`
  const admin = await gateway.as({ roles: ['ADMIN'], subject: 'operator', tenant })
  const scorer = await gateway.as({ roles: ['SCORER'], tenant })
  return {
    admin,
    monitor: await gateway.as({ roles: ['MONITOR'], tenant }),
    score: async (applicantId = 'a-1') => (await score(scorer, applicantId, HIGH_RISK)).id,
    async create(url, filter) {
      const { createWebhook } = await admin.data(CreateWebhookDocument, { input: { url, ...(filter && { filter }) } })
      return { id: createWebhook.webhook.id, secret: createWebhook.secret }
    },
    async webhook(variables = {}) {
      const { webhooks } = await admin.data(WebhooksDocument, variables)
      return present(webhooks[0], 'webhook')
    },
  }
}

describe('a webhook', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway(SETTINGS)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
  })

  it('has the address that was asked for, in each of its letters, and other texts in their canonical form', async () => {
    const { admin } = await newTenant(gateway)
    const url = 'https://example.com/e\u0301/\u00a0x'
    const input = { url, description: 'e\u0301\u00a0x', filter: { model: 'e\u0301' } }
    const { createWebhook } = await admin.data(CreateWebhookDocument, { input })
    const shown = { url: 'https://example.com/e%CC%81/%C2%A0x', description: '\u00e9 x', model: '\u00e9' }
    expect(createWebhook.webhook).toMatchObject({ url: shown.url })
    const query = `mutation { createWebhook(input: ${JSON.stringify(input).replace(/"(\w+)":/g, '$1:')}) { webhook { url description model } } }`
    expect((await admin.send({ query })).data).toEqual({ createWebhook: { webhook: shown } })
  })

  it('is called for each high-risk score, signed, with the fields of an alert but no features', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    const { secret } = await tenant.create(receiver.url)
    const { alertCursor } = await tenant.monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(tenant.monitor, HighRiskScoredDocument, { after: alertCursor })
    const scored = [await tenant.score('a-1'), await tenant.score('a-2'), await tenant.score('a-3')]
    const calls = await receiver.received(3)
    expect(calls.map(({ id }) => id).toSorted()).toEqual(scored.toSorted())
    for (const call of calls) {
      const { highRiskScored: alert } = await alerts.next()
      const { highRisk, requestedBy, ...prediction } = alert.prediction
      const { model, modelVersion } = { model: 'consumer-credit', modelVersion: '2' }
      const of = present(calls.find(({ id }) => id === alert.id))
      expect(verified(of, secret)).toEqual({
        type: 'highRisk.scored',
        timestamp: alert.raisedAt,
        data: {
          alert: alert.id,
          cursor: alert.cursor,
          raisedAt: alert.raisedAt,
          prediction: { ...prediction, model, modelVersion },
        },
      })
      expect(call.headers['content-type']).toBe('application/json')
    }
    await until(async () => (await tenant.webhook()).status.pending === 0)
    const { status, deliveries } = await tenant.webhook()
    expect(status).toMatchObject({ dead: 0, lastFailedAt: null, lastFailure: null, lagSeconds: 0 })
    expect(status.lastDeliveredAt).toBe(
      deliveries
        .map(({ lastAttemptAt }) => lastAttemptAt)
        .toSorted()
        .at(-1),
    )
    expect(deliveries.map(({ alertId, state, attempts, lastStatus }) => ({ alertId, state, attempts, lastStatus }))).toEqual(
      scored.toReversed().map(alertId => ({ alertId, state: 'DELIVERED', attempts: 1, lastStatus: 204 })),
    )
  })

  it('retries a delivery with the same id, gives up with a reason, and delivers it when redelivery is asked', async () => {
    await using receiver = await startReceiver(500)
    const tenant = await newTenant(gateway)
    const { secret } = await tenant.create(receiver.url)
    const alert = await tenant.score()
    const [first, second] = await receiver.received(2)
    expect(present(second).at - present(first).at).toBeGreaterThan(900)
    await until(async () => (await tenant.webhook()).status.dead === 1)
    const { status, deliveries } = await tenant.webhook({ state: 'DEAD' })
    const reason = 'The endpoint answered with status 500. That was the last of 2 attempts.'
    expect(status).toMatchObject({ pending: 0, lastDeliveredAt: null, lastFailedAt: expect.any(String), lastFailure: reason })
    expect(deliveries).toMatchObject([{ alertId: alert, state: 'DEAD', attempts: 2, lastStatus: 500, lastError: reason }])
    receiver.answer = 200
    const { redeliverWebhook } = await tenant.admin.data(RedeliverWebhookDocument, { id: present(deliveries[0]).id })
    expect(redeliverWebhook.delivery).toMatchObject({ state: 'PENDING', attempts: 0, lastStatus: null, lastError: null })
    const calls = await receiver.received(3)
    expect(calls.map(({ id }) => id)).toEqual([alert, alert, alert])
    for (const call of calls) verified(call, secret)
    expect(new Set(calls.map(({ body }) => body)).size).toBe(1)
    await until(async () => (await tenant.webhook()).status.pending === 0)
    expect((await tenant.webhook()).deliveries).toMatchObject([
      { state: 'DELIVERED', attempts: 1, lastStatus: 200, lastError: null },
    ])
  })

  it('gives up a delivery at once if the endpoint answers 410', async () => {
    await using receiver = await startReceiver(410)
    const tenant = await newTenant(gateway)
    await tenant.create(receiver.url)
    await tenant.score()
    await until(async () => (await tenant.webhook()).status.dead === 1)
    expect((await tenant.webhook()).deliveries).toMatchObject([{ attempts: 1, lastStatus: 410 }])
    expect(receiver.calls).toHaveLength(1)
  })

  it('signs with both secrets after a rotation', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    const { id, secret: previous } = await tenant.create(receiver.url)
    const { rotateWebhookSecret } = await tenant.admin.data(RotateWebhookSecretDocument, { id })
    const { secret, webhook } = rotateWebhookSecret
    const hours = (Date.parse(present(webhook.previousSecretUntil)) - Date.now()) / 3_600_000
    expect(hours).toBeGreaterThan(23.9)
    expect(hours).toBeLessThanOrEqual(24)
    await tenant.score()
    const [both] = await receiver.received(1)
    for (const known of [secret, previous]) verified(present(both), known)
    await gateway.database.sql`update webhook_previous_secrets set until = now() where webhook_id = ${id}`
    await tenant.score()
    const [, one] = await receiver.received(2)
    verified(present(one), secret)
    expect(() => verified(present(one), previous)).toThrow()
    expect((await tenant.webhook()).previousSecretUntil).toBeNull()
  })

  it('signs with every secret that has not ended, however often it is rotated, up to ten', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    const { id, secret: first } = await tenant.create(receiver.url)
    const secrets = [first]
    for (let i = 0; i < 10; i++) {
      const { rotateWebhookSecret } = await tenant.admin.data(RotateWebhookSecretDocument, { id })
      secrets.push(rotateWebhookSecret.secret)
      expect(rotateWebhookSecret.webhook.previousSecretUntil).toBe((await tenant.webhook()).previousSecretUntil)
    }
    const refused = await tenant.admin.request(RotateWebhookSecretDocument, { id })
    expect(refused.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    await tenant.score()
    const [call] = await receiver.received(1)
    for (const secret of secrets) verified(present(call), secret)
    await tenant.admin.data(DeleteWebhookDocument, { id })
    expect(await gateway.database.sql`select from webhook_previous_secrets where webhook_id = ${id}`).toEqual([])
  })

  it('keeps the secret of receivers when several callers rotate it at the same time', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    const { id, secret } = await tenant.create(receiver.url)
    const rotated = await Promise.all(Array.from({ length: 5 }, () => tenant.admin.data(RotateWebhookSecretDocument, { id })))
    await tenant.score()
    const [call] = await receiver.received(1)
    for (const known of [secret, ...rotated.map(({ rotateWebhookSecret }) => rotateWebhookSecret.secret)]) {
      verified(present(call), known)
    }
  })

  it('is called only for alerts that match its filter', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    await tenant.create(`${receiver.url}/t7`, { bands: ['T7'] })
    await tenant.create(`${receiver.url}/other`, { model: 'another-model' })
    await tenant.create(`${receiver.url}/t8`, { bands: ['T8', 'T8'], model: 'consumer-credit' })
    await tenant.score()
    await receiver.received(1)
    await until(async () =>
      (await tenant.admin.data(WebhooksDocument, {})).webhooks.every(({ status }) => status.lagSeconds === 0),
    )
    const { webhooks } = await tenant.admin.data(WebhooksDocument, {})
    expect(webhooks.map(({ bands, model, deliveries }) => [bands, model, deliveries.length])).toEqual([
      [['T7'], null, 0],
      [null, 'another-model', 0],
      [['T8'], 'consumer-credit', 1],
    ])
    expect(receiver.calls.map(({ path }) => path)).toEqual(['/alerts/t8'])
  })

  it('that never answers does not delay another', async () => {
    await using silent = await startReceiver(() => undefined)
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    await tenant.create(silent.url)
    await tenant.create(receiver.url)
    for (let i = 0; i < 20; i++) await tenant.score()
    await Promise.all([receiver.received(20), silent.received(16)])
    expect(silent.calls).toHaveLength(16)
  })

  it('is no longer called once it is deleted', async () => {
    await using receiver = await startReceiver(500)
    await using witness = await startReceiver()
    const tenant = await newTenant(gateway)
    const { id } = await tenant.create(receiver.url)
    await tenant.create(witness.url)
    await tenant.score()
    await receiver.received(1)
    const { deliveries } = await tenant.webhook()
    await tenant.admin.data(DeleteWebhookDocument, { id })
    const redelivered = await tenant.admin.request(RedeliverWebhookDocument, { id: present(deliveries[0]).id })
    expect(redelivered.errors?.[0]?.extensions.code).toBe('NOT_FOUND')
    await tenant.score()
    await witness.received(2)
    // Longer than the longest pause before the second attempt.
    await until(() => performance.now() - present(receiver.calls[0]).at > 2_600)
    expect(receiver.calls).toHaveLength(1)
    expect((await tenant.admin.data(WebhooksDocument, {})).webhooks).toHaveLength(1)
  })

  it('is visible to its own tenant only', async () => {
    await using receiver = await startReceiver()
    const [owner, other] = [await newTenant(gateway), await newTenant(gateway)]
    const { id } = await owner.create(receiver.url)
    await other.score()
    await owner.score()
    await receiver.received(1)
    await until(async () => (await owner.webhook()).status.pending === 0)
    const [delivery] = (await owner.webhook()).deliveries
    expect((await other.admin.data(WebhooksDocument, {})).webhooks).toEqual([])
    const never = '01900000-0000-7000-8000-000000000000'
    const answers = async (of: string, ofDelivery: string) => {
      const requests = [
        other.admin.request(RotateWebhookSecretDocument, { id: of }),
        other.admin.request(DeleteWebhookDocument, { id: of }),
        other.admin.request(RedeliverWebhookDocument, { id: ofDelivery }),
      ]
      return (await Promise.all(requests)).map(({ status, errors, data }) => ({ status, errors, data }))
    }
    const unknown = await answers(never, never)
    expect(unknown.map(({ errors }) => errors?.[0]?.extensions.code)).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
    expect(await answers(id, present(delivery).id)).toEqual(unknown)
    expect(await answers('no id at all', '')).toEqual(unknown)
    expect(receiver.calls).toHaveLength(1)
    expect((await owner.webhook()).deliveries).toEqual([delivery])
  })

  it('is refused with all its problems at once, none of which repeats a value', async () => {
    const tenant = await newTenant(gateway)
    const input = { url: 'ftp://canary-host/', description: 'canary '.repeat(40), filter: { bands: [], model: '' } }
    const { status, errors } = await tenant.admin.request(CreateWebhookDocument, { input })
    expect(status).toBe(400)
    expect(errors?.[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      problems: [{ path: ['url'] }, { path: ['description'] }, { path: ['filter', 'bands'] }, { path: ['filter', 'model'] }],
    })
    expect(JSON.stringify(errors)).not.toContain('canary')
  })

  it('is refused if the tenant has twenty already', async () => {
    const tenant = await newTenant(gateway)
    for (let i = 0; i < 20; i++) await tenant.create('https://example.com/')
    const { errors } = await tenant.admin.request(CreateWebhookDocument, { input: { url: 'https://example.com/' } })
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    expect((await tenant.admin.data(WebhooksDocument, {})).webhooks).toHaveLength(20)
  })

  it('has an audit entry for each change, without its URL or secret', async () => {
    await using receiver = await startReceiver()
    const tenant = await newTenant(gateway)
    const { id } = await tenant.create(`${receiver.url}?token=canary`, { bands: ['T8'] })
    const alert = await tenant.score()
    await receiver.received(1)
    await until(async () => (await tenant.webhook()).status.pending === 0)
    const delivery = present((await tenant.webhook()).deliveries[0]).id
    await tenant.admin.data(RedeliverWebhookDocument, { id: delivery })
    await tenant.admin.data(RotateWebhookSecretDocument, { id })
    await tenant.admin.data(DeleteWebhookDocument, { id })
    const entries = await gateway.database.sql`
      select action, subject, principal, details from audit_entries where tenant = ${`tenant-${tenants}`} order by id`
    expect([...entries]).toEqual([
      { action: 'webhook.created', subject: id, principal: 'operator', details: { bands: ['T8'], model: null } },
      { action: 'webhook.redelivered', subject: delivery, principal: 'operator', details: { webhookId: id, alertId: alert } },
      { action: 'webhook.secret-rotated', subject: id, principal: 'operator', details: {} },
      { action: 'webhook.deleted', subject: id, principal: 'operator', details: {} },
    ])
  })

  it('is counted in the metrics', async () => {
    await using receiver = await startReceiver(500)
    const attempts = async (result: string) => (await metric(gateway, 'riskgate_webhook_attempts_total', { result })) ?? 0
    const before = { delivered: await attempts('delivered'), failed: await attempts('failed'), dead: await attempts('dead') }
    const tenant = await newTenant(gateway)
    await tenant.create(receiver.url)
    await tenant.score()
    await until(async () => (await attempts('dead')) === before.dead + 1)
    expect(await attempts('failed')).toBe(before.failed + 1)
    expect(await attempts('delivered')).toBe(before.delivered)
    const dead = (
      await gateway.database
        .sql`select count(*)::int as n from webhook_deliveries d join webhooks w on w.id = webhook_id where state = 'DEAD'`
    )[0]?.n
    await until(async () => (await metric(gateway, 'riskgate_webhook_deliveries_dead')) === dead)
  })
})

describe('a webhook at a private address that is not allowed', () => {
  it('is refused with a message that does not repeat the address', async () => {
    await using gateway = await startGateway()
    const tenant = await newTenant(gateway)
    for (const host of ['127.0.0.1', '[::ffff:7f00:1]', 'localhost', '2130706433']) {
      const { errors } = await tenant.admin.request(CreateWebhookDocument, { input: { url: `https://${host}/` } })
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', problems: [{ path: ['url'] }] })
      expect(JSON.stringify(errors)).not.toContain(host)
    }
    await tenant.create('https://example.com/')
  })

  it('is not called, even if the address was allowed when it was created', async () => {
    await using receiver = await startReceiver()
    await using database = await createTestDatabase()
    const lenient = await startGateway(SETTINGS, database)
    await (await newTenant(lenient)).create(receiver.url)
    await lenient[Symbol.asyncDispose]()
    await using strict = await startGateway({ RISKGATE_WEBHOOK_ATTEMPTS: '1' }, database)
    const tenant = await tenantOf(strict, tenants)
    await tenant.score()
    await until(async () => (await tenant.webhook()).status.dead === 1)
    expect((await tenant.webhook()).status.lastFailure).toMatch(/^The URL must begin with https:/)
    expect(receiver.calls).toEqual([])
  })
})
