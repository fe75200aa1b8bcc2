import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { CreateWebhookDocument, PredictRiskDocument, ViewerDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { NGINX } from '../support/nginxServer.js'
import { endProcess, until } from '../support/process.js'
import { startReceiver } from '../support/receiver.js'
import { freePort, startRedis } from '../support/redis.js'
import { RedisCluster } from '../support/redisCluster.js'

const LIMIT = 100
const SETTINGS = { RISKGATE_RATE_LIMIT_PRINCIPAL: String(LIMIT) }
const CALLER = { roles: ['ANALYST'], subject: 'counted' } as const

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

/** How many of twice as many calls as one caller may make are answered, by both gateways in turn. */
async function answered(gateways: readonly TestGateway[], subject: string): Promise<number> {
  const clients = await Promise.all(gateways.map(gateway => gateway.as({ ...CALLER, subject })))
  let count = 0
  for (let i = 0; i < 2 * LIMIT; i++) {
    const { status } = await (clients[i % clients.length] as (typeof clients)[0]).request(ViewerDocument, {})
    if (status === 200) count++
    else expect(status).toBe(429)
  }
  return count
}

describe('two gateways', () => {
  it('answer 100 of 200 calls on a cluster of Redis, straight after their start', async () => {
    await using cluster = await RedisCluster.start()
    const [one, all] = [
      `redis://127.0.0.1:${cluster.ports[0]}`,
      `redis://${cluster.ports.map(port => `127.0.0.1:${port}`).join(',')}`,
    ]
    await using first = await startGateway({ ...SETTINGS, REDIS_URL: one }, database)
    await using second = await startGateway({ ...SETTINGS, REDIS_URL: all }, database)
    for (let i = 0; i < 5; i++) expect(await answered([first, second], `cluster-${i}`)).toBe(LIMIT)
    await until(async () => (await metric(first, 'riskgate_redis_up')) === 1)
    for (const use of ['limits', 'latest predictions', 'hints sent', 'hints received']) {
      expect(await metric(first, 'riskgate_redis_refused', { use })).toBe(0)
    }
  })

  it('on a read-only replica each answer 100, and tell it', async () => {
    await using master = await startRedis()
    await using replica = await startRedis(undefined, ['--replicaof', `127.0.0.1 ${new URL(master.url).port}`])
    await using gateway = await startGateway({ ...SETTINGS, REDIS_URL: replica.url }, database)
    expect(await answered([gateway], 'alone')).toBe(LIMIT)
    await until(async () => (await metric(gateway, 'riskgate_redis_refused', { use: 'limits' })) === 1)
    expect(await metric(gateway, 'riskgate_redis_refusals_total', { code: 'READONLY' })).toBeGreaterThan(0)
    const owner = new Redis(replica.url)
    await owner.call('REPLICAOF', 'NO', 'ONE')
    await until(async () => (await metric(gateway, 'riskgate_redis_refused', { use: 'limits' })) === 0)
    owner.disconnect()
  })
})

describe('a start with a Redis that can never work', () => {
  const start = (url: string) =>
    runCommand(['serve'], { DATABASE_URL: database.url, REDIS_URL: url, RISKGATE_PORT: '0', ...TEST_KEY })

  it('ends with 78 and a sentence', async () => {
    await using cluster = await RedisCluster.start()
    await using single = await startRedis()
    const { port } = new URL(single.url)
    for (const [url, sentence] of [
      [`redis://127.0.0.1:${cluster.ports[0]}/1`, 'REDIS_URL names a database, but leads to a cluster'],
      [`redis+cluster://127.0.0.1:${cluster.ports[0]}/1`, 'REDIS_URL names a database of a cluster'],
      [`redis://127.0.0.1:${port}/99`, 'REDIS_URL names a database that this Redis does not have'],
      [`redis+cluster://127.0.0.1:${port}`, 'REDIS_URL names nodes of a cluster, but leads to a Redis that is none'],
    ] as const) {
      const { status, stderr } = await start(url)
      expect(stderr).toContain(sentence)
      expect(status).toBe(78)
    }
  })

  it('is seen by the doctor, who also names what Redis refuses', async () => {
    await using cluster = await RedisCluster.start()
    await using single = await startRedis()
    const owner = new Redis(single.url)
    await owner.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~riskgate:limit:*', '+@all')
    owner.disconnect()
    const doctor = (url: string) => runCommand(['doctor'], { DATABASE_URL: database.url, REDIS_URL: url, ...TEST_KEY })
    const lines = async (url: string) => (await doctor(url)).stdout.split('\n').filter(line => / Redis /.test(line))
    expect(await lines(`redis://127.0.0.1:${cluster.ports[0]}`)).toEqual([
      expect.stringMatching(/^ok +Redis +a cluster, answers in \d+ ms$/),
    ])
    expect(await lines(`redis://127.0.0.1:${cluster.ports[0]}/2`)).toEqual([
      expect.stringMatching(/^PROBLEM +Redis +REDIS_URL names a database/),
    ])
    expect(await lines(single.url.replace('redis://', 'redis://gateway:pw@'))).toEqual([
      expect.stringMatching(/^ok /),
      expect.stringMatching(/^PROBLEM +Redis +It refuses eval for latest predictions \(NOPERM\)/),
      expect.stringMatching(/^PROBLEM +Redis +It refuses publish for hints sent \(NOPERM\)/),
      expect.stringMatching(/^PROBLEM +Redis +It refuses subscribe for hints received \(NOPERM\)/),
    ])
  })
})

describe.skipIf(!NGINX)('behind an nginx', () => {
  let directory: string
  let gateway: TestGateway
  let url: string
  let pid: number | undefined
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'riskgate-proxies-'))
    gateway = await startGateway(
      { RISKGATE_TRUSTED_PROXIES: '127.0.0.1', RISKGATE_FORWARDED_HEADER: 'forwarded', RISKGATE_RATE_LIMIT_ADDRESS: '3' },
      database,
    )
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    // As many write it: nothing about upgrades. Forwarded in the form of RFC 7239, as nginx's own examples make it.
    writeFileSync(
      join(directory, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
       events {}
       http {
         access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
         uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
         map $http_x_test_client $client { default $http_x_test_client; }
         server {
           listen 127.0.0.1:${port};
           location / {
             proxy_pass ${gateway.url};
             proxy_set_header Forwarded '$http_forwarded, for="$client";proto=http;host="$host"';
           }
         }
       }`,
    )
    const child = spawn(NGINX as string, ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')], {
      stdio: 'ignore',
    })
    pid = child.pid
    await until(() =>
      fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
  })
  afterAll(async () => {
    await endProcess(pid, 'SIGTERM')
    await gateway[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  async function statusOf(headers: Record<string, string>): Promise<number | undefined> {
    const sent = request(`${url}/graphql`, { headers }).end()
    const [{ statusCode }] = await once(sent, 'response')
    return statusCode
  }

  it('that drops the upgrade, a handshake gets 426 and costs no point', async () => {
    const handshake = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    for (let i = 0; i < 10; i++) expect(await statusOf(handshake)).toBe(426)
    expect(await statusOf({ 'x-test-client': '192.0.2.1' })).toBe(401)
  })

  it('that writes Forwarded, each client has a limit of its own, whatever it writes before', async () => {
    const call = (client: string, forwarded: string) => statusOf({ 'x-test-client': client, forwarded })
    for (let i = 0; i < 3; i++) expect(await call(`[2001:db8::1]:${4711 + i}`, `for="198.51.100.${i}`)).toBe(401)
    expect(await call('[2001:db8::1]:9', 'for=198.51.100.99')).toBe(429)
    expect(await call('203.0.113.7:9', 'for=198.51.100.99')).toBe(401)
  })
})

describe('a receiver of webhooks that asks to wait', () => {
  it('is called when it asked to be, no attempt is lost, and other alerts arrive meanwhile', async () => {
    const asked = new Map<string, number>()
    await using receiver = await startReceiver((call, response) => {
      const calls = (asked.get(call.id) ?? 0) + 1
      asked.set(call.id, calls)
      // The first alert is put off twice.
      const isFirst = asked.keys().next().value === call.id
      if (isFirst && calls <= 2) response.writeHead(calls === 1 ? 429 : 503, { 'retry-after': '3' }).end()
      else response.writeHead(204).end()
    })
    await using gateway = await startGateway({
      RISKGATE_WEBHOOK_PRIVATE_NETWORKS: '127.0.0.0/8',
      RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
      RISKGATE_WEBHOOK_ATTEMPTS: '1',
    })
    const admin = await gateway.as({ roles: ['ADMIN'] })
    const { url } = receiver
    await admin.data(CreateWebhookDocument, { input: { url } })
    const scorer = await gateway.as({ roles: ['SCORER'] })
    for (let i = 0; i < 3; i++) {
      await scorer.data(PredictRiskDocument, { input: { applicantId: `waits-${i}`, features: { consumerCredit: HIGH_RISK } } })
    }
    const calls = await receiver.received(5)
    const ofFirst = calls.filter(({ id }) => id === calls[0]?.id)
    expect(ofFirst).toHaveLength(3)
    for (const i of [1, 2]) expect((ofFirst[i]?.at ?? 0) - (ofFirst[i - 1]?.at ?? 0)).toBeGreaterThanOrEqual(3_000)
    await until(async () => (await gateway.database.sql`select 1 from webhook_deliveries where state = 'DELIVERED'`).length === 3)
    const rows = await gateway.database.sql<{ attempts: number }[]>`select attempts from webhook_deliveries`
    expect(rows.map(({ attempts }) => attempts)).toEqual([1, 1, 1])
  })
})
