import { writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makePair } from '../support/certificates.js'
import { createTestDatabase } from '../support/database.js'
import { signToken } from '../support/gateway.js'
import { type AccessLine, NginxServer } from '../support/nginxServer.js'
import { until } from '../support/process.js'
import { randomFrom } from '../support/random.js'
import { SecureClient } from '../support/secureClient.js'
import { alertsIn, allReceived, highRiskWithoutAlert } from './deliveries.js'
import { EventStreamSubscriber } from './eventStreamSubscriber.js'
import { Latencies } from './latencies.js'
import { addressOf, type Fault, killAndHang, PATIENCE_MS, restartInTurn, type Stop } from './nginxFaults.js'
import { RedisServer } from './redisServer.js'
import { Replica } from './replica.js'
import { type Failure, SteadyLoad } from './steadyLoad.js'
import { Subscriber } from './subscriber.js'
import type { Judged } from './verdict.js'

export interface BehindNginxOptions {
  readonly gateways: number
  /** Half of them over WebSocket, half as server-sent events. */
  readonly subscribers: number
  readonly callsPerSecond: number
  readonly restarts: number
  /** How many calls are answered between two faults. */
  readonly callsBetween: number
  readonly kills: number
  /** Gateways that hang (SIGSTOP) until everything goes on without them. */
  readonly hangs: number
}

export interface BehindNginxResult extends Judged {
  readonly load: SteadyLoad
  /** Rows of the table of predictions. */
  readonly predictions: number
  readonly sockets: readonly Subscriber[]
  readonly streams: readonly EventStreamSubscriber[]
  /** The codes that sockets were closed with in the rolling restarts. */
  readonly restartCodes: readonly number[]
  readonly faults: readonly Fault[]
  readonly log: readonly AccessLine[]
  /** Calls that failed. */
  readonly failed: readonly Failure[]
  /** Calls that a gateway refused as retryable while nobody was stopping it: its database was too slow for its deadline. */
  readonly refused: readonly Failure[]
}

/** Gateways behind a real nginx: they are restarted one after the other, killed and stopped, while clients call and subscribers listen. */
export async function runBehindNginx(options: BehindNginxOptions): Promise<BehindNginxResult> {
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-nginx-'))
  const ended = new AbortController()
  const [replicas, sockets, streams]: [Replica[], Subscriber[], EventStreamSubscriber[]] = [[], [], []]
  let load: SteadyLoad | undefined
  try {
    // The workers of nginx are of another user.
    await chmod(directory, 0o755)
    await using database = await createTestDatabase()
    await using redis = await RedisServer.start()
    const { certificate, environment } = await gatewaySettings(directory)
    const place = { databaseUrl: database.url, redisUrl: redis.url, directory, environment }
    for (let i = 0; i < options.gateways; i++) replicas.push(await Replica.start(place))
    const gateways = replicas.map(addressOf)
    await using nginx = await NginxServer.start({ gateways, gatewayCertificate: certificate, directory })
    const { url, ca } = nginx

    const token = await signToken({ roles: ['MONITOR'], subject: 'monitor' })
    const socketUrl = `${url.replace('https', 'wss')}/graphql`
    for (let i = 0; i < options.subscribers; i++) {
      const failed = (error: Error) => ended.abort(error)
      const common = { name: `subscriber ${i + 1}`, ca, token, random: randomFrom(i), failed }
      if (i % 2) streams.push(new EventStreamSubscriber({ ...common, url }))
      else sockets.push(new Subscriber({ ...common, urls: [socketUrl], latencies: new Latencies() }, socketUrl))
    }
    const subscribers = [...sockets, ...streams]
    const alertCursor = await cursorOf(new SecureClient(url, ca, token))
    for (const subscriber of subscribers) subscriber.start(alertCursor)
    const allConnected = () =>
      until(() => subscribers.every(({ isConnected }) => isConnected) || ended.signal.aborted, PATIENCE_MS)
    await allConnected()

    const scorer = new SecureClient(url, ca, await signToken({ roles: ['SCORER'], subject: 'web-shop' }))
    const analyst = new SecureClient(url, ca, await signToken({ roles: ['ANALYST'], subject: 'analyst' }))
    load = new SteadyLoad({ scorer, analyst, perSecond: options.callsPerSecond })
    const scene = { replicas, nginx, load, subscribers, certificate, callsBetween: options.callsBetween }
    await load.answers(options.callsBetween)
    const stops = await restartInTurn(scene, options.restarts)
    await allConnected()
    const restartCodes = sockets.flatMap(({ closeCodes }) => closeCodes)
    const faults = await killAndHang(scene, options.kills, options.hangs)
    await load.stop()

    ended.signal.throwIfAborted()
    const stored = await alertsIn(database.sql)
    const received = () => subscribers.reduce((sum, { receipts }) => sum + receipts.count, 0)
    await allReceived(() => received() >= stored.size * subscribers.length, received, ended.signal)
    const unalerted = await highRiskWithoutAlert(database.sql)
    const [row] = await database.sql<{ count: number }[]>`select count(*)::int as count from predictions`
    const predictions = row?.count ?? 0
    const log = nginx.log()
    const [refused, failed] = parted(load.failures, isRefusal(log, stops))
    return {
      load,
      scorer: load,
      subscribers,
      sockets,
      streams,
      stored,
      unalerted,
      predictions,
      restartCodes,
      faults,
      log,
      failed,
      refused,
    }
  } finally {
    for (const subscriber of [...sockets, ...streams]) subscriber.stop()
    await load?.stop()
    for (const replica of replicas) await replica[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Settings of gateways behind nginx, as docs/operations/nginx.md asks for them. */
async function gatewaySettings(directory: string) {
  const { cert, key } = await makePair({ name: 'riskgate' })
  const environment = {
    RISKGATE_DRAIN_MS: '700',
    RISKGATE_TRUSTED_PROXIES: '127.0.0.1',
    RISKGATE_TLS_CERT_FILE: join(directory, 'gateway-certificate'),
    RISKGATE_TLS_KEY_FILE: join(directory, 'gateway-key'),
  }
  writeFileSync(environment.RISKGATE_TLS_CERT_FILE, cert)
  writeFileSync(environment.RISKGATE_TLS_KEY_FILE, key, { mode: 0o600 })
  return { certificate: cert, environment }
}

/** Whether a gateway that nobody was stopping refused the call as retryable. */
function isRefusal(log: readonly AccessLine[], stops: readonly Stop[]) {
  const gatewayOf = new Map(log.map(({ requestId, gateway }) => [requestId, gateway.split(', ').at(-1)]))
  return ({ requestId, isRetryable, at }: Failure): boolean => {
    const address = requestId && gatewayOf.get(requestId)
    const wasStopping = stops.some(stop => stop.address === address && at >= stop.from && at <= stop.to)
    return isRetryable && address !== undefined && !wasStopping
  }
}

/** Those that the condition holds for, and the others. */
function parted<T>(items: readonly T[], holds: (item: T) => boolean): [T[], T[]] {
  return [items.filter(holds), items.filter(item => !holds(item))]
}

async function cursorOf(client: SecureClient): Promise<string> {
  const { text } = await client.call('/graphql', JSON.stringify({ query: '{ alertCursor }' }))
  client.close()
  return (JSON.parse(text) as { data: { alertCursor: string } }).data.alertCursor
}
