import type { AccessLine, NginxServer } from '../support/nginxServer.js'
import { present, until } from '../support/process.js'
import { SecureClient } from '../support/secureClient.js'
import type { EventStreamSubscriber } from './eventStreamSubscriber.js'
import type { Replica } from './replica.js'
import type { SteadyLoad } from './steadyLoad.js'
import type { Subscriber } from './subscriber.js'

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

/** When a gateway was being stopped. */
export interface Stop {
  readonly address: string
  readonly from: number
  readonly to: number
}

export interface Scene {
  readonly replicas: readonly Replica[]
  readonly nginx: NginxServer
  readonly load: SteadyLoad
  readonly subscribers: readonly (Subscriber | EventStreamSubscriber)[]
  /** The certificate of the gateways. */
  readonly certificate: string
  readonly callsBetween: number
}

// Enough for some to be on their way to each gateway.
const BURST = 60
const RECENT_CALLS = 50
export const PATIENCE_MS = 120_000

/** Restarts one gateway after the other with SIGTERM. Nothing is sent again by clients meanwhile. */
export async function restartInTurn({ replicas, load, certificate, callsBetween }: Scene, restarts: number): Promise<Stop[]> {
  const stops: Stop[] = []
  for (let i = 0; i < restarts; i++) {
    const replica = present(replicas[i % replicas.length])
    const from = Date.now()
    await replica.stop()
    stops.push({ address: addressOf(replica), from, to: Date.now() })
    await startAgain(replica, certificate)
    await load.answers(callsBetween)
  }
  return stops
}

/** Kills gateways, then lets some hang. Clients may send again what got no answer, with its key. */
export async function killAndHang(scene: Scene, kills: number, hangs: number): Promise<Fault[]> {
  const { certificate } = scene
  const faults: Fault[] = []
  for (let i = 0; i < kills; i++) {
    const replica = busiest(scene)
    faults.push(await watchFault(scene, 'kill -9', replica, () => replica.kill()))
    await startAgain(replica, certificate)
    await afterFault(scene)
  }
  for (let i = 0; i < hangs; i++) {
    const replica = busiest(scene)
    const pid = await replica.pid()
    faults.push(await watchFault(scene, 'SIGSTOP', replica, async () => process.kill(pid, 'SIGSTOP')))
    process.kill(pid, 'SIGCONT')
    await afterFault(scene)
  }
  return faults
}

/** The gateway that answered most of the last calls: nginx may still leave out one that has just restarted. */
function busiest({ replicas, nginx }: Scene): Replica {
  const recent = nginx.log().slice(-RECENT_CALLS)
  const callsOf = (replica: Replica) => recent.filter(({ gateway }) => gateway.endsWith(addressOf(replica))).length
  return replicas.reduce((most, replica) => (callsOf(replica) > callsOf(most) ? replica : most))
}

/** Waits until everything that was on its way to the gateway has ended elsewhere, and all subscribers hear of everything. */
async function watchFault(scene: Scene, what: string, replica: Replica, happen: () => Promise<unknown>): Promise<Fault> {
  const { nginx, load, subscribers, callsBetween } = scene
  await load.beginFault()
  const before = { sentAgain: load.sentAgain, lines: nginx.log().length }
  await load.burst(BURST)
  await happen()
  await load.answers(callsBetween)
  await load.settle()
  const raised = [...load.acknowledged]
  await until(() => subscribers.every(({ receipts }) => raised.every(id => receipts.has(id))), PATIENCE_MS)
  const lines = nginx.log().slice(before.lines)
  const tried = lines.filter(line => wasUnanswered(line, addressOf(replica)))
  return {
    what,
    sentAgain: load.sentAgain - before.sentAgain,
    unanswered: tried.length,
    answeredElsewhere: tried.filter(({ status }) => status < 500).length,
    longestMs: load.longestMs,
  }
}

async function afterFault({ load, callsBetween }: Scene): Promise<void> {
  load.endFault()
  await load.answers(callsBetween)
}

export function addressOf({ url }: Replica): string {
  return new URL(url).host
}

async function startAgain(replica: Replica, ca: string): Promise<void> {
  await replica.startAgain()
  const client = new SecureClient(replica.url, ca)
  await until(async () => (await client.call('/readyz')).status === 200)
  client.close()
}

/** Whether this gateway got the request and gave no answer. nginx lists the gateways it tried, and the status of each. */
function wasUnanswered({ gateway, gatewayStatus, path }: AccessLine, address: string): boolean {
  const at = gateway.split(', ').indexOf(address)
  return at >= 0 && /^50[24]$/.test(gatewayStatus.split(', ')[at] ?? '') && path !== '/graphql/stream'
}
