import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GraphqlClient } from '../support/client.js'
import { createDatabase } from '../support/database.js'
import { signToken } from '../support/gateway.js'
import { AlertCursorDocument } from '../support/generated/operations.js'
import { oneOf, type Random, randomFrom } from '../support/random.js'
import { alertsIn, allReceived, highRiskWithoutAlert } from './deliveries.js'
import { type FaultEvent, FaultPlan } from './faultPlan.js'
import { Latencies, type Outage } from './latencies.js'
import { RedisServer } from './redisServer.js'
import { Replica } from './replica.js'
import { Scorer } from './scorer.js'
import { slowCommits } from './slowCommits.js'
import { Subscriber } from './subscriber.js'
import type { Judged } from './verdict.js'

export interface FaultOptions {
  readonly sockets: number
  readonly alerts: number
  readonly alertsPerSecond: number
  readonly disconnects: number
  readonly kills: number
  readonly redisRestarts: number
  /** The percentage of alerts whose commit is delayed. */
  readonly slowCommits: number
  readonly seed: number
}

export interface Progress {
  readonly seconds: number
  readonly raised: number
  readonly received: number
  readonly connected: number
  readonly events: readonly FaultEvent[]
}

export interface Surroundings {
  readonly postgresUrl: string
  readonly signal: AbortSignal
  readonly progress: (progress: Progress) => void
}

/** The result of a finished run, for the verdict. */
export interface RunResult extends Judged {
  readonly seconds: number
  readonly events: readonly FaultEvent[]
  readonly outages: readonly Outage[]
  /** When sockets were destroyed, in seconds. */
  readonly cuts: readonly number[]
  readonly scorer: Scorer
  readonly subscribers: readonly Subscriber[]
  readonly latencies: Latencies
}

const REPLICAS = 2
const PROGRESS_MS = 200

/** Two gateways, one Postgres, one Redis, many subscribers; alerts are raised while connections are cut and gateways and Redis killed. */
export async function runAlertFaults(options: FaultOptions, { postgresUrl, signal, progress }: Surroundings): Promise<RunResult> {
  // Each part has its own random numbers: how many one part draws depends on the clock, and must not change the others' numbers.
  const randomOf = (stream: number) => randomFrom(options.seed * 100_003 + stream)
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-faults-'))
  const subscribers: Subscriber[] = []
  let timer: NodeJS.Timeout | undefined
  try {
    await using database = await createDatabase({ server: postgresUrl })
    await using redis = await RedisServer.start()
    await using first = await Replica.start({ databaseUrl: database.url, redisUrl: redis.url, directory })
    await using second = await Replica.start({ databaseUrl: database.url, redisUrl: redis.url, directory })
    const replicas = [first, second]
    await slowCommits(database.sql, options.slowCommits)

    const ended = new AbortController()
    const running = AbortSignal.any([signal, ended.signal])
    const latencies = new Latencies()
    const monitor = await signToken({ roles: ['MONITOR'], subject: 'monitor' })
    const urls = replicas.map(({ url }) => `${url.replace('http', 'ws')}/graphql`)
    const failed = (error: Error) => ended.abort(error)
    for (let i = 0; i < options.sockets; i++) {
      const subscriber = new Subscriber(
        { name: `subscriber ${i + 1}`, urls, token: monitor, random: randomOf(i + 10), latencies, failed },
        urls[i % REPLICAS] as string,
      )
      const { alertCursor } = await new GraphqlClient((replicas[i % REPLICAS] as Replica).url, monitor).data(
        AlertCursorDocument,
        {},
      )
      subscriber.start(alertCursor)
      subscribers.push(subscriber)
    }

    const token = await signToken({ roles: ['SCORER'], subject: 'web-shop' })
    const clients = replicas.map(({ url }) => new GraphqlClient(url, token))
    const scorer = new Scorer({
      clients,
      alerts: options.alerts,
      alertsPerSecond: options.alertsPerSecond,
      random: randomOf(1),
      signal: running,
    })
    const startedAt = performance.now()
    const seconds = () => (performance.now() - startedAt) / 1_000
    const victims = randomOf(3)
    const plan = new FaultPlan({
      ...options,
      random: randomOf(2),
      signal: running,
      share: () => scorer.share,
      seconds,
      cut: () => cutOne(victims, subscribers),
      replicas,
      redis,
    })
    const received = () => subscribers.reduce((sum, { receipts }) => sum + receipts.count, 0)
    const report = () =>
      progress({
        seconds: seconds(),
        raised: scorer.acknowledged.size,
        received: received(),
        connected: subscribers.filter(({ isConnected }) => isConnected).length,
        events: plan.events,
      })
    timer = setInterval(report, PROGRESS_MS)

    await Promise.all([scorer.run(), plan.run()].map(work => work.catch(failed)))
    if (ended.signal.aborted) throw ended.signal.reason
    const stored = await alertsIn(database.sql)
    await allReceived(() => received() >= stored.size * subscribers.length, received, running)
    report()
    return {
      seconds: seconds(),
      events: plan.events,
      outages: plan.outages,
      cuts: plan.cuts,
      scorer,
      subscribers,
      latencies,
      stored,
      unalerted: await highRiskWithoutAlert(database.sql),
    }
  } finally {
    clearInterval(timer)
    for (const subscriber of subscribers) subscriber.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function cutOne(random: Random, subscribers: readonly Subscriber[]): boolean {
  const connected = subscribers.filter(({ isConnected }) => isConnected)
  if (connected.length === 0) return false
  oneOf(random, connected).cut()
  return true
}
