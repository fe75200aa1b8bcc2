import { writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makePair } from '../support/certificates.js'
import { createTestDatabase } from '../support/database.js'
import { signToken } from '../support/gateway.js'
import { type AccessLine, NginxServer } from '../support/nginxServer.js'
import { present, until } from '../support/process.js'
import { randomFrom } from '../support/random.js'
import { SecureClient } from '../support/secureClient.js'
import { alertsIn, allReceived, highRiskWithoutAlert } from './deliveries.js'
import { EventStreamSubscriber } from './eventStreamSubscriber.js'
import { Latencies } from './latencies.js'
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
  readonly kills: number
  /** Gateways that hang (SIGSTOP) until everything goes on without them. */
  readonly hangs: number
}

/** A fault, and the calls that had to be sent again meanwhile. */
export interface Fault {
  readonly what: string
  readonly sentAgain: number
  /** Requests that nginx had sent to this gateway, to no answer. */
  readonly unanswered: number
  /** Those among them that nginx itself answered from another gateway. */
  readonly answeredElsewhere: number
  /** The longest call. */
  readonly longestMs: number
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

/** When a gateway was being stopped. */
interface Stop {
  readonly address: string
  readonly from: number
  readonly to: number
}

// Between two faults.
const CALLS_BETWEEN = 100
// Enough for some to be on their way to each gateway.
const BURST = 60

/** Gateways behind a real nginx: they are restarted one after the other, killed and stopped, while clients call and subscribers listen. */
export async function runBehindNginx(options: BehindNginxOptions): Promise<BehindNginxResult> {
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-nginx-'))
  const subscribers: (Subscriber | EventStreamSubscriber)[] = []
  const ended = new AbortController()
  const replicas: Replica[] = []
  try {
    // The workers of nginx are of another user.
    await chmod(directory, 0o755)
    await using database = await createTestDatabase()
    await using redis = await RedisServer.start()
    const { cert, key } = await makePair({ name: 'riskgate' })
    const environment = {
      RISKGATE_DRAIN_MS: '700',
      RISKGATE_TRUSTED_PROXIES: '127.0.0.1',
      RISKGATE_TLS_CERT_FILE: join(directory, 'gateway-certificate'),
      RISKGATE_TLS_KEY_FILE: join(directory, 'gateway-key'),
    }
    writeFileSync(environment.RISKGATE_TLS_CERT_FILE, cert)
    writeFileSync(environment.RISKGATE_TLS_KEY_FILE, key, { mode: 0o600 })
    const place = { databaseUrl: database.url, redisUrl: redis.url, directory, environment }
    for (let i = 0; i < options.gateways; i++) replicas.push(await Replica.start(place))
    await using nginx = await NginxServer.start({ gateways: replicas.map(addressOf), gatewayCertificate: cert, directory })
    const { url, ca } = nginx

    const abort = (error: Error) => ended.abort(error)
    const monitor = await signToken({ roles: ['MONITOR'], subject: 'monitor' })
    const alertCursor = await cursorOf(new SecureClient(url, ca, monitor))
    const [sockets, streams]: [Subscriber[], EventStreamSubscriber[]] = [[], []]
    for (let i = 0; i < options.subscribers; i++) {
      const common = { name: `subscriber ${i + 1}`, ca, token: monitor, random: randomFrom(i), failed: abort }
      const socketUrl = `${url.replace('https', 'wss')}/graphql`
      if (i % 2) streams.push(new EventStreamSubscriber({ ...common, url }))
      else sockets.push(new Subscriber({ ...common, urls: [socketUrl], latencies: new Latencies() }, socketUrl))
    }
    subscribers.push(...sockets, ...streams)
    for (const subscriber of subscribers) subscriber.start(alertCursor)
    const allConnected = () => until(() => subscribers.every(({ isConnected }) => isConnected) || ended.signal.aborted, 60_000)
    await allConnected()

    const scorer = new SecureClient(url, ca, await signToken({ roles: ['SCORER'], subject: 'web-shop' }))
    const analyst = new SecureClient(url, ca, await signToken({ roles: ['ANALYST'], subject: 'analyst' }))
    const load = new SteadyLoad({ scorer, analyst, perSecond: options.callsPerSecond })
    await load.answers(CALLS_BETWEEN)

    const stops: Stop[] = []
    for (let i = 0; i < options.restarts; i++) {
      const replica = present(replicas[i % replicas.length])
      const from = Date.now()
      await replica.stop()
      stops.push({ address: addressOf(replica), from, to: Date.now() })
      await startAgain(replica, cert)
      await load.answers(CALLS_BETWEEN)
    }
    await allConnected()
    const restartCodes = sockets.flatMap(({ closeCodes }) => closeCodes)

    const faults: Fault[] = []
    async function fault(what: string, replica: Replica, happen: () => Promise<unknown>, after: () => Promise<unknown>) {
      await load.beginFault()
      const before = { sentAgain: load.sentAgain, lines: nginx.log().length }
      await load.burst(BURST)
      await happen()
      await load.answers(CALLS_BETWEEN)
      // All that was on its way to this gateway ends, and everybody who listened to it listens to another one.
      await load.settle()
      const raised = [...load.acknowledged]
      await until(() => subscribers.every(({ receipts }) => raised.every(id => receipts.has(id))), 120_000)
      const sentAgain = load.sentAgain - before.sentAgain
      const tried = nginx
        .log()
        .slice(before.lines)
        .filter(line => wasUnanswered(line, addressOf(replica)))
      const answeredElsewhere = tried.filter(({ status }) => status < 500).length
      faults.push({ what, sentAgain, unanswered: tried.length, answeredElsewhere, longestMs: load.longestMs })
      await after()
      load.endFault()
      await load.answers(CALLS_BETWEEN)
    }
    for (let i = 0; i < options.kills; i++) {
      const replica = present(replicas[i % replicas.length])
      await fault(
        'kill -9',
        replica,
        () => replica.kill(),
        () => startAgain(replica, cert),
      )
    }
    for (let i = 0; i < options.hangs; i++) {
      const replica = present(replicas[(i + 1) % replicas.length])
      const pid = await replica.pid()
      const signal = (name: NodeJS.Signals) => async () => process.kill(pid, name)
      await fault('SIGSTOP', replica, signal('SIGSTOP'), signal('SIGCONT'))
    }

    await load.stop()
    const log = nginx.log()
    const gatewayOf = new Map(log.map(({ requestId, gateway }) => [requestId, gateway.split(', ').at(-1)]))
    const [failed, refused] = [load.failures.filter(of => !isRefusal(of)), load.failures.filter(isRefusal)]

    function isRefusal({ requestId, isRetryable, at }: Failure): boolean {
      const address = requestId && gatewayOf.get(requestId)
      return (
        isRetryable && address !== undefined && !stops.some(stop => stop.address === address && at >= stop.from && at <= stop.to)
      )
    }

    ended.signal.throwIfAborted()
    const stored = await alertsIn(database.sql)
    const received = () => subscribers.reduce((sum, { receipts }) => sum + receipts.count, 0)
    await allReceived(() => received() >= stored.size * subscribers.length, received, ended.signal)
    const [row] = await database.sql<{ count: number }[]>`select count(*)::int as count from predictions`
    scorer.close()
    analyst.close()
    return {
      load,
      scorer: load,
      subscribers,
      sockets,
      streams,
      stored,
      unalerted: await highRiskWithoutAlert(database.sql),
      predictions: row?.count ?? 0,
      restartCodes,
      faults,
      log,
      failed,
      refused,
    }
  } finally {
    for (const subscriber of subscribers) subscriber.stop()
    // Before the rest, which may wait for it.
    for (const replica of replicas) await replica[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

function addressOf({ url }: Replica): string {
  return new URL(url).host
}

async function startAgain(replica: Replica, ca: string): Promise<void> {
  await replica.startAgain()
  const client = new SecureClient(replica.url, ca)
  await until(async () => (await client.call('/readyz')).status === 200)
  client.close()
}

async function cursorOf(client: SecureClient): Promise<string> {
  const { text } = await client.call('/graphql', JSON.stringify({ query: '{ alertCursor }' }))
  client.close()
  return (JSON.parse(text) as { data: { alertCursor: string } }).data.alertCursor
}

/** Whether this gateway got the request and gave no answer. nginx lists the gateways it tried, and the status of each. */
function wasUnanswered({ gateway, gatewayStatus, path }: AccessLine, address: string): boolean {
  const at = gateway.split(', ').indexOf(address)
  return at >= 0 && /^50[24]$/.test(gatewayStatus.split(', ')[at] ?? '') && path !== '/graphql/stream'
}
