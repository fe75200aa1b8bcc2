import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:http2'
import { get } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { GraphqlClient, nextEvent, subscribeTo } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { signToken } from '../support/gateway.js'
import { type GatewayProcess, spawnGateway } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { runLoad } from '../support/load.js'
import { endProcess, until } from '../support/process.js'
import { FOLDER, readCompose } from './composeModel.js'

// The programs of compose.yaml with its files, its names and its addresses, each as a process of this machine: npm run test:compose
// gives them a network and a /run/secrets of their own.

const written = testFolder('together')
const ADDRESS_LIMIT = 10
const URL = 'https://localhost:8443'
const APPLICATION = { applicantId: 'together', features: { consumerCredit: HIGH_RISK } }

const { services } = await readCompose('compose.yaml')
const gateways: GatewayProcess[] = []
const others: ChildProcess[] = []
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
  start('redis-server', [join(FOLDER, 'redis/redis.conf')])
  for (const name of ['gateway-1', 'gateway-2']) gateways.push(await startService(name))
  start('nginx', ['-c', join(FOLDER, 'nginx/nginx.conf'), '-g', 'daemon off;'])
  const config = `--config.file=${join(FOLDER, 'prometheus/prometheus.yml')}`
  start('prometheus', [config, `--storage.tsdb.path=${join(written, 'prometheus')}`, '--web.listen-address=127.0.0.1:9090'])
  await until(async () => (await statusOf(`${URL}/readyz`)) === 200, 30_000)
})

afterAll(async () => {
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
  for (const child of others) await endProcess(child.pid, 'SIGTERM')
  await database[Symbol.asyncDispose]()
})

/** A gateway with the settings of its service. Its database is that of the test, and it listens at the address of its container. */
async function startService(name: string): Promise<GatewayProcess> {
  const { environment = {}, networks } = services[name] ?? {}
  const { DATABASE_URL_FILE: _theirs, ...settings } = environment
  const own = {
    NODE_ENV: 'production',
    DATABASE_URL: database.url,
    RISKGATE_HOST: networks?.inside?.ipv4_address ?? '',
    RISKGATE_PORT: '4000',
    RISKGATE_RATE_LIMIT_ADDRESS: String(ADDRESS_LIMIT),
    RISKGATE_DRAIN_MS: '700',
    // On one machine a connection comes from the address that it goes to.
    RISKGATE_TRUSTED_PROXIES: '172.30.117.0/24',
  }
  return spawnGateway({ ...settings, ...own })
}

function start(program: string, arguments_: string[]): void {
  // Into a file: NGINX cannot open a socket for its log.
  const log = openSync(join(written, `${program}.log`), 'a')
  others.push(spawn(program, arguments_, { stdio: ['ignore', log, log] }))
  closeSync(log)
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  return fetch(url, { headers }).then(
    ({ status }) => status,
    () => undefined,
  )
}

const as = async (role: 'SCORER' | 'MONITOR') => new GraphqlClient(URL, await signToken({ roles: [role] }))

describe('NGINX in front of two gateways', () => {
  it('speaks HTTP/2 and TLS, with the certificate of secrets.sh', async () => {
    const session = connect(URL)
    const stream = session.request({ ':path': '/healthz' })
    const [headers] = (await once(stream, 'response')) as [Record<string, string>]
    expect(headers).toMatchObject({ ':status': 200, 'strict-transport-security': 'max-age=31536000' })
    expect(await text(stream)).toBe('{"status":"ok"}')
    expect(session.alpnProtocol).toBe('h2')
    session.close()
  })

  it('lets scores through, and alerts as they happen: over WebSocket and as server-sent events', async () => {
    const [scorer, monitor] = [await as('SCORER'), await as('MONITOR')]
    const { alertCursor: after } = await monitor.data(AlertCursorDocument, {})
    const sockets = monitor.sockets()
    const streams = monitor.eventStreams()
    const subscriptions = [sockets, streams].map(client => subscribeTo(client, HighRiskScoredDocument, { after }))
    const { predictRisk } = await scorer.data(PredictRiskDocument, { input: APPLICATION })
    for (const events of subscriptions) expect((await nextEvent(events)).highRiskScored.id).toBe(predictRisk.prediction.id)
    await sockets.dispose()
    streams.dispose()
  })

  it('tells the gateways who the client is, whatever the client says: its address alone is limited', async () => {
    const from = async (localAddress: string, i: number) => {
      const asked = get(`${URL}/graphql`, { agent: false, localAddress, headers: { 'x-forwarded-for': `203.0.113.${i}` } })
      const [{ statusCode }] = (await once(asked, 'response')) as [IncomingMessage]
      return statusCode
    }
    // Each gateway grants itself some calls before they agree.
    const first = []
    for (let i = 0; i < 4 * ADDRESS_LIMIT; i++) first.push(await from('127.0.0.1', i))
    expect(new Set(first)).toEqual(new Set([401, 429]))
    expect(first.at(-1)).toBe(429)
    expect(await from('127.0.0.2', 0)).toBe(401)
  })

  it('is shared by both gateways', () => {
    const lines = readFileSync(join(written, 'nginx.log'), 'utf8').trim().split('\n').map(parsed)
    const asked = lines.filter(({ path }) => path === '/graphql').map(({ gateway }) => gateway)
    expect(new Set(asked)).toEqual(new Set(['172.30.117.11:4000', '172.30.117.12:4000']))
  })

  it('hides the metrics, and lets Prometheus read those of each gateway with its token', async () => {
    expect(await statusOf(`${URL}/metrics`)).toBe(404)
    expect(await statusOf('https://gateway-1:4000/metrics')).toBe(401)
    await until(async () => (await upTargets()).length === 2, 60_000)
    expect(await upTargets()).toEqual(['gateway-1:4000', 'gateway-2:4000'])
  })

  it('refuses large bodies in the words of the gateway', async () => {
    const answer = await (await as('SCORER')).raw({
      method: 'POST',
      body: 'x'.repeat(1_500_000),
      headers: { 'content-type': 'application/json' },
    })
    expect({ status: answer.status, code: answer.text.match(/PAYLOAD_TOO_LARGE/)?.[0] }).toEqual({
      status: 413,
      code: 'PAYLOAD_TOO_LARGE',
    })
  })

  it('answers every call by the other gateway once one has stopped', async () => {
    expect(await gateways[0]?.stop()).toMatchObject({ status: 0 })
    const scorer = await as('SCORER')
    const results = await runLoad(scorer, ({ acknowledged, failed }) => acknowledged.length + failed.length >= 40)
    expect(results).toMatchObject({ failed: [], unanswered: [] })
  })
})

function parsed(line: string): Record<string, unknown> {
  return line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {}
}

async function upTargets(): Promise<string[]> {
  const query = encodeURIComponent('up{job="riskgate"} == 1')
  const answer = await fetch(`http://127.0.0.1:9090/api/v1/query?query=${query}`)
  const { data } = (await answer.json()) as { data: { result: { metric: { instance: string } }[] } }
  return data.result.map(({ metric }) => metric.instance).sort()
}
