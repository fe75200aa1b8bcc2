import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  CreateWebhookDocument,
  type CreateWebhookMutation,
  PredictRiskDocument,
  WebhooksDocument,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { startReceiver, verified } from '../support/receiver.js'
import { preparedStateDirectory } from '../support/stateDirectory.js'
import { passTime } from '../support/webhooks.js'

const SETTINGS = { RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true', RISKGATE_WEBHOOK_RETRY_SECONDS: '1' }
const ADMIN = { roles: ['ADMIN'] } as const

async function createWebhook(admin: GraphqlClient, url: string): Promise<CreateWebhookMutation['createWebhook']> {
  return (await admin.data(CreateWebhookDocument, { input: { url } })).createWebhook
}

async function score(client: GraphqlClient, applicantId: string): Promise<string> {
  return (await client.data(PredictRiskDocument, { input: application(applicantId, HIGH_RISK) })).predictRisk.prediction.id
}

async function pending(admin: GraphqlClient): Promise<number> {
  return present((await admin.data(WebhooksDocument, {})).webhooks[0]).status.pending
}

// These run at once, because most of their time is waiting for timeouts of gateways.
describe.concurrent('webhooks', () => {
  it('get each alert from two gateways on one database', async () => {
    await using receiver = await startReceiver()
    await using first = await startGateway(SETTINGS)
    await using second = await startGateway(SETTINGS, first.database)
    const clients = [await first.as(ADMIN), await second.as(ADMIN)]
    const [admin] = clients as [GraphqlClient]
    const { secret } = await createWebhook(admin, receiver.url)
    const scored: string[] = []
    for (let round = 0; round < 10; round++) {
      scored.push(...(await Promise.all(clients.flatMap(client => [score(client, 'a'), score(client, 'b'), score(client, 'c')]))))
    }
    await until(async () => new Set(receiver.calls.map(({ id }) => id)).size === scored.length)
    await until(async () => (await pending(admin)) === 0)
    expect(new Set(receiver.calls.map(({ id }) => id))).toEqual(new Set(scored))
    // Once each, except if both gateways act within the same millisecond.
    expect(receiver.calls.length).toBeLessThanOrEqual(scored.length + 3)
    for (const call of receiver.calls) verified(call, secret)
  })

  it('get an alert again, with the same id, if its gateway was killed before it had stored the answer', {
    timeout: 60_000,
  }, async () => {
    await using receiver = await startReceiver(() => undefined)
    await using database = await createTestDatabase()
    const environment = { DATABASE_URL: database.url, ...TEST_KEY, ...SETTINGS }
    await using killed = await spawnGateway(environment)
    const { secret } = await createWebhook(await killed.as(ADMIN), receiver.url)
    const alert = await score(await killed.as(ADMIN), 'a')
    await receiver.received(1)
    await killed.kill()
    receiver.answer = 204
    await using other = await spawnGateway(environment)
    await passTime(database)
    const [first, second] = await receiver.received(2)
    expect([first?.id, second?.id]).toEqual([alert, alert])
    verified(present(second), secret)
    await until(async () => (await pending(await other.as(ADMIN))) === 0)
  })

  it('are handed to the next gateway by one that stops, which does not wait for endpoints', async () => {
    await using receiver = await startReceiver(() => undefined)
    await using database = await createTestDatabase()
    const gateway = await startGateway(SETTINGS, database)
    const admin = await gateway.as(ADMIN)
    await createWebhook(admin, receiver.url)
    const alert = await score(admin, 'a')
    await receiver.received(1)
    await gateway[Symbol.asyncDispose]()
    receiver.answer = 204
    await using next = await startGateway(SETTINGS, database)
    const [, second] = await receiver.received(2)
    expect(second?.id).toBe(alert)
    await until(async () => (await pending(await next.as(ADMIN))) === 0)
    const [webhook] = (await (await next.as(ADMIN)).data(WebhooksDocument, {})).webhooks
    expect(webhook?.deliveries).toMatchObject([{ state: 'DELIVERED', attempts: 1 }])
  })
})

describe.concurrent('webhooks of a gateway whose PostgreSQL dies', () => {
  it.skipIf(process.platform !== 'linux')(
    'go on when it is back, and write no address or secret to the log',
    { timeout: 90_000 },
    async () => {
      const CANARY = 'canary-7f3a9'
      await using receiver = await startReceiver()
      await using state = preparedStateDirectory()
      const settings = { RISKGATE_STATE_DIR: state.path, RISKGATE_LOG_LEVEL: 'debug', ...TEST_KEY, ...SETTINGS }
      await using gateway = await spawnGateway(settings)
      const admin = await gateway.as(ADMIN)
      const { secret } = await createWebhook(admin, `${receiver.url}?token=${CANARY}`)
      const scored = [await score(admin, 'a')]
      await receiver.received(1)
      let release = () => {}
      receiver.answer = (_call, response) => {
        release = () => response.writeHead(204).end()
      }
      scored.push(await score(admin, 'b'))
      await receiver.received(2)
      for (const pid of state.postgresProcesses()) process.kill(pid, 'SIGKILL')
      // The attempt result cannot be stored now.
      release()
      receiver.answer = 204
      await until(async () => {
        const { data } = await admin.request(PredictRiskDocument, { input: application('c', HIGH_RISK) })
        if (data) scored.push(data.predictRisk.prediction.id)
        return data !== undefined && data !== null
      }, 20_000)
      await until(() => scored.every(alert => receiver.calls.some(({ id }) => id === alert)), 20_000)
      // The result of the second call is stored once it has been made again.
      const postgresServer = await startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
      const sql = postgres(postgresServer.url, { max: 1 })
      await passTime({ sql })
      await sql.end()
      await postgresServer.stop()
      await until(async () => (await pending(admin)) === 0, 30_000)
      expect(receiver.calls.filter(({ id }) => id === scored[1])).toHaveLength(2)
      expect(gateway.isRunning).toBe(true)
      const log = JSON.stringify(gateway.log())
      expect(log).not.toContain(CANARY)
      expect(log).not.toContain(secret.slice('whsec_'.length))
      expect(log).not.toContain('nobody caught')
    },
  )
})

describe('webhooks whose deliveries cannot be fetched', () => {
  it('are late, and the log and a metric say so', async () => {
    await using receiver = await startReceiver()
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY, ...SETTINGS })
    const admin = await gateway.as(ADMIN)
    await createWebhook(admin, receiver.url)
    await database.sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
      create trigger refuse before update on webhook_deliveries execute function refuse()`)
    const alert = await score(admin, 'a')
    const message = 'webhooks could not be served; trying again'
    await until(() => gateway.log().some(line => line.message === message && line['riskgate.step'] === 'take'))
    const served = { url: gateway.url, environment: TEST_KEY }
    expect(await metric(served, 'riskgate_webhook_failures_total', { step: 'take' })).toBeGreaterThan(0)
    expect(receiver.calls).toEqual([])
    await database.sql`drop trigger refuse on webhook_deliveries`
    const [call] = await receiver.received(1)
    expect(call?.id).toBe(alert)
  })
})
