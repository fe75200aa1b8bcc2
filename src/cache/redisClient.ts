import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisAddress } from './redisAddress.js'
import { connectorTo, MasterConnector } from './redisConnectors.js'

// No command hangs for seconds. Callers wait for less (inTime.ts).
const COMMAND_TIMEOUT_MS = 500
const CONNECT_TIMEOUT_MS = 1_000
const LONGEST_RECONNECT_PAUSE_MS = 1_000
// After a failover the slots of the old master lead to another one. A command that is moved refreshes them as well.
const SLOTS_REFRESH_MS = 2_000

/** Called with each refusal of a command; answers whether to connect anew. */
type OnRefusal = (error: Error) => boolean

const retryStrategy = (attempt: number) => Math.min(50 * attempt, LONGEST_RECONNECT_PAUSE_MS)

/** A client of one server, of any seed, or of the master that the Sentinels name. It fails fast, and reconnects for ever. */
export function createServerClient(address: RedisAddress, refused: OnRefusal): Redis {
  const place = address.kind === 'sentinel' ? sentinelOptions(address) : { Connector: connectorTo(address.nodes) }
  return new Redis({
    ...commonOptions(address),
    db: address.database,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy,
    reconnectOnError: refused,
    ...place,
  })
}

function sentinelOptions(address: RedisAddress) {
  const { nodes, masterName = '', sentinelUsername, sentinelPassword, tls } = address
  return {
    Connector: MasterConnector,
    sentinels: [...nodes],
    name: masterName,
    // Whether it is the master: after a failover a Sentinel may still name the old one for a moment.
    enableReadyCheck: true,
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(address) }),
  } satisfies RedisOptions
}

/** A client of a cluster. Only masters are asked: a replica may lag behind. */
export function createClusterClient(address: RedisAddress, refused: OnRefusal): Cluster {
  return new Cluster([...address.nodes], {
    clusterRetryStrategy: retryStrategy,
    enableReadyCheck: false,
    // A command fails at once where its part of the cluster is away.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    maxRedirections: 4,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // The certificate is one for the name, not for the address that it leads to.
    dnsLookup: (name: string, callback: (error: null, address: string) => void) => callback(null, name),
    redisOptions: { ...commonOptions(address), Connector: connectorTo(), reconnectOnError: refused },
  })
}

function commonOptions(address: RedisAddress) {
  const { username, password, tls } = address
  return {
    // The older protocol: some proxies and users with few rights refuse HELLO.
    protocol: 2 as const,
    disableClientInfo: true,
    // It asks INFO, which few rights may also refuse. What a server refuses shows at the first command.
    enableReadyCheck: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    autoResubscribe: false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: tlsOptions(address) }),
  } satisfies RedisOptions
}

/** Nodes of a cluster may be named by address in its answers. Then a certificate for the name of a seed is right, too. */
function tlsOptions({ tls, nodes }: RedisAddress): ConnectionOptions {
  return {
    ...(tls?.ca !== undefined && { ca: tls.ca }),
    checkServerIdentity(host: string, certificate: PeerCertificate) {
      const mistake = checkServerIdentity(host, certificate)
      const isOfSeed = nodes.some(seed => checkServerIdentity(seed.host, certificate) === undefined)
      return isOfSeed ? undefined : mistake
    },
  }
}
