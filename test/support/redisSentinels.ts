import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { until } from './process.js'
import { freePort, startRedis, type TestRedis } from './redis.js'

const SENTINELS = 3
const NAME = 'scores'

/** A master and a replica that three real Sentinels watch. */
export class RedisSentinels implements AsyncDisposable {
  /** The address of the gateways. */
  readonly url: string
  readonly sentinelUrl: string
  master: TestRedis
  readonly #others: readonly TestRedis[]
  readonly #directory: string

  private constructor(ports: readonly number[], master: TestRedis, others: readonly TestRedis[], directory: string) {
    this.url = `redis+sentinel://:pw@${ports.map(port => `127.0.0.1:${port}`).join(',')}/${NAME}?sentinelPassword=guard`
    this.sentinelUrl = `redis://:guard@127.0.0.1:${ports[0]}`
    this.master = master
    this.#others = others
    this.#directory = directory
  }

  static async start(): Promise<RedisSentinels> {
    const directory = await mkdtemp(join(tmpdir(), 'riskgate-sentinel-'))
    const password = ['--requirepass', 'pw', '--masterauth', 'pw']
    const port = await freePort()
    const master = await startRedis(port, password)
    const replica = await startRedis(undefined, [...password, '--replicaof', `127.0.0.1 ${port}`])
    const client = new Redis(replica.url, { password: 'pw' })
    await until(async () => (await client.info('replication')).includes('master_link_status:up'), 20_000)
    client.disconnect()
    const ports = await Promise.all(Array.from({ length: SENTINELS }, () => freePort()))
    const sentinels = await Promise.all(ports.map((own, i) => startSentinel(join(directory, `${i}.conf`), own, port)))
    const made = new RedisSentinels(ports, master, [replica, ...sentinels], directory)
    await made.#know()
    return made
  }

  async #know(): Promise<void> {
    const client = new Redis(this.sentinelUrl)
    await until(async () => {
      const facts = (await client.call('SENTINEL', 'MASTER', NAME)) as string[]
      const fact = (name: string) => facts[facts.indexOf(name) + 1]
      return fact('num-other-sentinels') === String(SENTINELS - 1) && fact('num-slaves') === '1'
    }, 30_000)
    client.disconnect()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.master, ...this.#others]) await server.kill()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

async function startSentinel(file: string, port: number, masterPort: number): Promise<TestRedis> {
  const lines = [
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel auth-pass ${NAME} pw`,
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 3000`,
    'requirepass guard',
    '',
  ]
  await writeFile(file, lines.join('\n'))
  return startRedis(port, [], file)
}
