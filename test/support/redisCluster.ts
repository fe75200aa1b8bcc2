import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis, type RedisOptions } from 'ioredis'
import { until } from './process.js'
import { freePort, startRedis, type TestRedis } from './redis.js'

const SLOTS = 16_384
const MASTERS = 3
// A failover begins after a master has been silent for so long.
const NODE_TIMEOUT_MS = 1_000

export interface ClusterNode {
  readonly port: number
  readonly server: TestRedis
  /** For commands of the test. */
  readonly client: Redis
}

export interface RedisClusterOptions {
  /** Replicas of the first master. */
  readonly replicas?: number
  /** More options of redis-server. */
  readonly options?: readonly string[]
  /** For the clients of the test. */
  readonly client?: RedisOptions
  /** With TLS: the port of each node is one for TLS. */
  readonly portOptions?: (port: number) => readonly string[]
}

/** A real cluster of three masters, and replicas of the first. */
export class RedisCluster implements AsyncDisposable {
  readonly masters: readonly ClusterNode[]
  readonly replicas: readonly ClusterNode[]
  readonly #directory: string

  private constructor(nodes: readonly ClusterNode[], directory: string) {
    this.masters = nodes.slice(0, MASTERS)
    this.replicas = nodes.slice(MASTERS)
    this.#directory = directory
  }

  static async start({ replicas = 0, options = [], client = {}, portOptions }: RedisClusterOptions = {}): Promise<RedisCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'riskgate-cluster-'))
    const startNode = async (_: unknown, i: number): Promise<ClusterNode> => {
      const port = await clusterPort()
      const cluster = ['--cluster-enabled', 'yes', '--cluster-config-file', join(directory, `${i}.conf`)]
      const timing = ['--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--cluster-replica-validity-factor', '0']
      const server = await startRedis(port, [...cluster, ...timing, ...options, ...(portOptions?.(port) ?? [])])
      return { port, server, client: testClient(port, client) }
    }
    const nodes = await Promise.all(Array.from({ length: MASTERS + replicas }, startNode))
    const made = new RedisCluster(nodes, directory)
    await made.#join()
    return made
  }

  get ports(): number[] {
    return this.masters.map(({ port }) => port)
  }

  async #join(): Promise<void> {
    const nodes = [...this.masters, ...this.replicas]
    for (const [i, { client }] of nodes.entries()) await client.cluster('SET-CONFIG-EPOCH', i + 1)
    for (const [i, { client }] of this.masters.entries()) {
      const [from, to] = [Math.floor((SLOTS * i) / MASTERS), Math.floor((SLOTS * (i + 1)) / MASTERS) - 1]
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    }
    const [first, ...others] = nodes as [ClusterNode, ...ClusterNode[]]
    for (const { port } of others) await first.client.cluster('MEET', '127.0.0.1', port)
    const firstId = await first.client.cluster('MYID')
    const knowsAll = async ({ client }: ClusterNode) => {
      const info = String(await client.cluster('INFO'))
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`)
    }
    for (const node of nodes) await until(() => knowsAll(node), 20_000)
    for (const { client } of this.replicas) {
      await until(async () => (await client.cluster('REPLICATE', firstId).catch(() => '')) === 'OK')
      await until(async () => (await client.info('replication')).includes('master_link_status:up'), 20_000)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, server } of [...this.masters, ...this.replicas]) {
      client.disconnect()
      await server.kill()
    }
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function testClient(port: number, options: RedisOptions): Redis {
  const client = new Redis(port, '127.0.0.1', options as object)
  client.on('error', () => {})
  return client
}

/** A port whose bus, 10,000 ports above, is free as well. */
async function clusterPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port < 55_000) return port
  }
}
