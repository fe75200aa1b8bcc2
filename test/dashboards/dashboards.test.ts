import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DASHBOARDS, type Panel } from '../../deploy/grafana/dashboards.mjs'
import { goldenRows } from '../support/applicants.js'
import { sendEverything } from '../support/busyTraffic.js'
import { makePair, mountSecret } from '../support/certificates.js'
import { nextEvent, subscribeTo } from '../support/client.js'
import { type Curve, type DrawnPanel, pageOf } from '../support/dashboardPicture.js'
import { createTestDatabase } from '../support/database.js'
import { signToken, TEST_SECRET } from '../support/gateway.js'
import { type GatewayProcess, spawnGateway } from '../support/gatewayProcess.js'
import { CreateWebhookDocument, HighRiskScoredDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { makeKey, startIssuer } from '../support/issuer.js'
import { until } from '../support/process.js'
import { startPrometheus, type TestPrometheus } from '../support/prometheus.js'
import { startReceiver } from '../support/receiver.js'
import { startRedis } from '../support/redis.js'

/** `npm run test:dashboards`: minutes of traffic, and every query of every panel. `=pictures` also draws docs/images. */
const MODE = process.env.RISKGATE_DASHBOARDS
const SCRAPES = MODE === 'pictures' ? 150 : 60
const RULES = ['recording', 'alerts'].map(name => resolve(`deploy/prometheus/rules/${name}.yml`))

describe('the dashboards over a real Prometheus that scraped a busy gateway', () => {
  const parts: AsyncDisposable[] = []
  let prometheus: TestPrometheus
  beforeAll(async () => {
    prometheus = await startEverything(parts)
  }, 600_000)
  afterAll(async () => {
    for (const part of parts.reverse()) await part[Symbol.asyncDispose]()
  }, 60_000)

  const panels = Object.entries(DASHBOARDS).flatMap(([name, { panels: all }]) =>
    all.map(panel => ({ name, title: panel.title, panel })),
  )

  it.each(panels)('$name, "$title": each query returns data', async ({ panel }) => {
    const drawn = await drawnOf(panel, prometheus)
    expect(drawn.curves.length).toBeGreaterThanOrEqual(panel.targets.length)
    for (const { points } of drawn.curves) expect(points.length).toBeGreaterThan(0)
  })

  it.skipIf(MODE !== 'pictures')(
    'pictures of the dashboards are drawn from the same results',
    async () => {
      for (const [name, { title, panels: all }] of Object.entries(DASHBOARDS)) {
        const { html, width, height } = pageOf(title, await Promise.all(all.map(panel => drawnOf(panel, prometheus))))
        await mkdir('dist/dashboards', { recursive: true })
        const page = resolve(`dist/dashboards/${name}.html`)
        await writeFile(page, html)
        const picture = `docs/images/dashboard-${name}.png`
        const options = ['--headless', '--no-sandbox', '--hide-scrollbars', `--window-size=${width},${height}`]
        const { status } = spawnSync('chromium', [...options, `--screenshot=${picture}`, `file://${page}`], { timeout: 60_000 })
        expect(status).toBe(0)
      }
    },
    240_000,
  )
})

/** The curves of all queries of a panel; throws where a query has none. */
async function drawnOf(panel: Panel, prometheus: TestPrometheus): Promise<DrawnPanel> {
  const curves: Curve[] = []
  for (const { expr, legendFormat } of panel.targets) {
    const query = expr.replaceAll('$__rate_interval', '10s').replaceAll('$__range', '5m').replaceAll('$job', '.*')
    const found = (await prometheus.range(query, SCRAPES, 2)).map(({ metric, values }) => ({
      name: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
      points: values.map(([time, value]) => [time, Number(value)] as const).filter(([, value]) => Number.isFinite(value)),
    }))
    const shown = found.filter(({ points }) => points.length > 0)
    if (shown.length === 0) throw new Error(`No data: ${query}`)
    curves.push(...shown)
  }
  return { ...panel, curves }
}

/**
 * Starts two replicas, one of them with TLS, all that they talk to, and traffic. Returns once Prometheus has scraped enough; each
 * part is added to `parts`.
 */
async function startEverything(parts: AsyncDisposable[]): Promise<TestPrometheus> {
  const use = <Part extends AsyncDisposable>(part: Part): Part => {
    parts.push(part)
    return part
  }
  const [database, redis, issuer, secret] = await Promise.all([
    createTestDatabase(),
    startRedis(),
    startIssuer([makeKey('ES256', 'one')]),
    makePair().then(mountSecret),
  ])
  const [good, bad] = await Promise.all([startReceiver(), startReceiver(500)])
  for (const part of [database, redis, issuer, secret, good, bad]) use(part)
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RISKGATE_JWT_SECRET: TEST_SECRET,
    RISKGATE_JWKS_URL: issuer.url,
    RISKGATE_JWT_ISSUER: 'riskgate',
    RISKGATE_JWT_AUDIENCE: 'riskgate',
    RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
    RISKGATE_WEBHOOK_ATTEMPTS: '2',
    RISKGATE_WEBHOOK_RETRY_SECONDS: '1',
    RISKGATE_RATE_LIMIT_ADDRESS: '0',
    RISKGATE_RATE_LIMIT_PRINCIPAL: '500',
  }
  const first = use(await spawnGateway(settings))
  const second = use(
    await spawnGateway({ ...settings, RISKGATE_TLS_CERT_FILE: secret.certFile, RISKGATE_TLS_KEY_FILE: secret.keyFile }),
  )
  const targets = [
    { job: 'riskgate', url: first.url },
    { job: 'riskgate-tls', url: second.url },
  ]
  const prometheus = use(await startPrometheus(targets, await signToken({ roles: ['MONITOR'] }), RULES))
  const admin = await first.as({ roles: ['ADMIN'], tenant: 'bank' })
  for (const { url } of [good, bad]) await admin.data(CreateWebhookDocument, { input: { url } })
  use(startTraffic(first))
  await until(async () => ((await prometheus.value('min(count_over_time(up[1h]))')) ?? 0) >= SCRAPES, 400_000)
  return prometheus
}

/** Clients that score, read and subscribe until they are disposed of. */
function startTraffic(gateway: GatewayProcess): AsyncDisposable {
  let isStopped = false
  const open = new Set<{ dispose(): void | Promise<void> }>()
  const rows = goldenRows('2')
  const forever = async (work: (round: number) => Promise<unknown>) => {
    for (let round = 0; !isStopped; round++) await work(round)
  }
  const score = async (round: number) => {
    const shop = await gateway.as({ roles: ['SCORER'], tenant: 'bank', subject: `shop-${round % 3}` })
    // Waves of one to twelve calls at once.
    const atOnce = Math.round(6.5 + 5.5 * Math.sin(round / 12))
    const input = (i: number) => ({
      applicantId: `applicant-${round}-${i}`,
      features: { consumerCredit: rows[(round * 7 + i) % rows.length]?.features ?? {} },
    })
    await Promise.all(Array.from({ length: atOnce }, (_, i) => shop.request(PredictRiskDocument, { input: input(i) })))
  }
  const subscribe = async (round: number) => {
    const monitor = await gateway.as({ roles: ['MONITOR'], tenant: 'bank' })
    const client = round % 2 ? monitor.sockets() : monitor.eventStreams()
    open.add(client)
    const events = subscribeTo(client, HighRiskScoredDocument, {})
    for (let i = 0; i < 40; i++) await nextEvent(events)
    await events.return?.()
    await client.dispose()
    open.delete(client)
  }
  const subscribeUntilStopped = (round: number) =>
    subscribe(round).catch((error: unknown) => {
      if (!isStopped) throw error
    })
  const work = [
    forever(score),
    forever(score),
    forever(round => sendEverything(gateway, round % 4)),
    forever(subscribeUntilStopped),
    forever(round => subscribeUntilStopped(round + 1)),
  ]
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      for (const client of open) await client.dispose()
      await Promise.all(work)
    },
  }
}
