import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster, type Redis } from 'ioredis'
import type { RedisAddress } from './redisAddress.js'
import { createClusterClient, createServerClient } from './redisClient.js'
import { codeOf, isAnswer } from './redisRefusals.js'

// A failover behind the same address: the master has become a replica. A connection made now may lead to the new one.
const RECONNECT_AFTER_READONLY_MS = 5_000
// A connection that is closed without an error, or that never answers, counts as lost after this time.
const PATIENCE_MS = 1_000
const REPEAT_MS = 50
const UNKNOWN = 'NO_ANSWER'
const OF_A_CLUSTER = /^(MOVED|ASK|CLUSTERDOWN) /

/** What a connection tells its process, once each. */
export interface LinkReports {
  /** Redis cannot be reached, or lets nobody in. */
  readonly lost: (code: string) => void
  /** It is back. */
  readonly regained: () => void
}

/** Settings that can never work with what answers: the reason for refusing to start. */
export type Misfit = 'database-in-cluster' | 'no-such-database' | 'sentinel' | 'no-cluster'

interface Events {
  /** A client is connected and may be used. */
  ready: []
  /** A connection was lost, or a node of the cluster has left. */
  close: []
  message: [channel: string]
  /** Its loss has been told. */
  told: []
  /** `disconnect` was called. */
  end: []
}

/**
 * A connection to a Redis, whatever it is: a server, the master that Sentinels name, or a cluster. A single address may lead to a cluster,
 * as with the managed ones: the connection finds that out and goes on with a client for clusters.
 */
export class RedisLink extends EventEmitter<Events> {
  readonly #address: RedisAddress
  readonly #reports: LinkReports
  readonly #listens: boolean
  #client: Redis | Cluster
  #isReady = false
  #isTold = false
  #isEnded = false
  #lastCode = UNKNOWN
  #misfit: Misfit | undefined
  #reconnectAt = 0
  #patience: NodeJS.Timeout | undefined

  /** `listens`: it takes no commands. Any node of a cluster hears what is published at the others. */
  constructor(address: RedisAddress, reports: LinkReports, { listens }: { readonly listens: boolean }) {
    super()
    // Each use of a connection listens.
    this.setMaxListeners(0)
    this.#address = address
    this.#reports = reports
    this.#listens = listens
    this.#client = this.#server()
    this.#beImpatient()
  }

  /** The client in use. It may be another one after each `ready`. */
  get client(): Redis | Cluster {
    return this.#client
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Why these settings can never work, once that is known. */
  get misfit(): Misfit | undefined {
    return this.#misfit
  }

  /** Waits for the first answer, or for the first sign that none will come soon. */
  async settled(): Promise<void> {
    if (this.#isReady || this.#isTold || this.#misfit) return
    await new Promise<void>(resolve => {
      for (const event of ['ready', 'told'] as const) this.once(event, resolve)
    })
  }

  disconnect(): void {
    this.#isEnded = true
    this.#isReady = false
    clearTimeout(this.#patience)
    this.#client.disconnect()
    this.emit('end')
  }

  #server(): Redis {
    const client = createServerClient(this.#address, error => this.#refused(error))
    client.on('ready', () => (this.#listens ? this.#opened() : void this.#examine(client)))
    this.#follow(client)
    return client
  }

  #cluster(): Cluster {
    const client = createClusterClient(this.#address, () => false)
    client.on('ready', () => void this.#warm(client))
    client.on('node error', error => this.#failed(client, error))
    client.on('-node', () => client === this.#client && this.emit('close'))
    this.#follow(client)
    return client
  }

  #follow(client: Redis | Cluster): void {
    client.on('message', (channel: string) => this.emit('message', channel))
    client.on('close', () => this.#closed(client))
    client.on('error', (error: Error) => this.#failed(client, error))
  }

  /** Before a server is used: whether it is one. Asks until it answers, even if with a refusal. */
  async #examine(client: Redis): Promise<void> {
    const isCurrent = () => client === this.#client && client.status === 'ready' && !this.#isEnded
    let cluster: string | undefined
    while (cluster === undefined) {
      cluster = await client.cluster('INFO').then(String, (error: Error) => this.#answerOf(error))
      if (cluster === undefined) await sleep(REPEAT_MS)
      if (!isCurrent()) return
    }
    if (cluster !== 'no' && (this.#address.kind === 'cluster' || /^cluster_state:/m.test(cluster))) return this.#becomeCluster()
    if (this.#address.kind === 'cluster') this.#misfits('no-cluster')
    const role: unknown[] = await client.role().catch(() => [])
    if (role[0] === 'sentinel') this.#misfits('sentinel')
    if (isCurrent()) this.#opened()
  }

  /** What a refusal says; undefined for no answer. */
  #answerOf(error: Error): string | undefined {
    if (isAnswer(error)) return /cluster support disabled/i.test(error.message) ? 'no' : ''
    this.#remember(codeOf(error))
    return undefined
  }

  /** Every command in hand fails when its connection is closed, which does not say why. */
  #remember(code: string): void {
    if (code !== 'CLOSED' || this.#lastCode === UNKNOWN) this.#lastCode = code
  }

  #becomeCluster(): void {
    if (this.#address.database !== 0) this.#misfits('database-in-cluster')
    const server = this.#client
    this.#client = this.#cluster()
    server.disconnect()
  }

  /** Connects to all masters at once. Else the commands that come while one connects would fail. */
  async #warm(client: Cluster): Promise<void> {
    await Promise.all(client.nodes('master').map(node => node.status === 'wait' && node.connect().catch(() => {})))
    if (client === this.#client && client.status === 'ready') this.#opened()
  }

  #opened(): void {
    if (this.#isEnded) return
    clearTimeout(this.#patience)
    this.#patience = undefined
    this.#isReady = true
    if (this.#isTold) this.#reports.regained()
    this.#isTold = false
    this.#lastCode = UNKNOWN
    this.emit('ready')
  }

  #closed(client: Redis | Cluster): void {
    if (client !== this.#client || this.#isEnded) return
    this.#isReady = false
    this.#beImpatient()
    this.emit('close')
  }

  #failed(client: Redis | Cluster, error: Error): void {
    if (client !== this.#client || this.#isEnded) return
    const { message, lastNodeError } = error as Error & { lastNodeError?: Error }
    if (/^ERR (DB index|invalid DB index)/i.test(message)) this.#misfits('no-such-database')
    else if (/^ERR SELECT is not allowed/i.test(message)) this.#misfits('database-in-cluster')
    else {
      this.#remember(codeOf(lastNodeError ?? error))
      // Another node may answer.
      if (!this.#isReady && this.#address.nodes.length === 1) this.#tell()
    }
  }

  #misfits(why: Misfit): void {
    this.#misfit = why
    this.emit('told')
  }

  /** Sees every refusal of a command. Answers whether to connect anew. */
  #refused({ message }: Error): boolean {
    if (!this.#listens && OF_A_CLUSTER.test(message) && !(this.#client instanceof Cluster)) setImmediate(() => this.#switch())
    if (!message.startsWith('READONLY') || performance.now() < this.#reconnectAt) return false
    this.#reconnectAt = performance.now() + RECONNECT_AFTER_READONLY_MS
    return true
  }

  /** For a server that did not say that it is part of a cluster. */
  #switch(): void {
    if (this.#isEnded || this.#client instanceof Cluster) return
    this.#isReady = false
    this.#becomeCluster()
    this.emit('close')
  }

  #beImpatient(): void {
    this.#patience ??= setTimeout(() => this.#tell(), PATIENCE_MS).unref()
  }

  #tell(): void {
    if (this.#isTold || this.#isEnded) return
    this.#isTold = true
    this.emit('told')
    this.#reports.lost(this.#lastCode)
  }
}
