import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { freePort } from '../support/redis.js'

export interface ReplicaOptions {
  readonly databaseUrl: string
  readonly redisUrl: string
  /** The working directory of the process, so that files it might write go there. */
  readonly directory: string
  /** Settings of its own. */
  readonly environment?: Readonly<Record<string, string>>
}

/** One gateway process that keeps its address when it is killed and started again. */
export class Replica implements AsyncDisposable {
  readonly url: string
  readonly #port: number
  readonly #options: ReplicaOptions
  #running: Promise<GatewayProcess>

  private constructor(options: ReplicaOptions, port: number) {
    this.#options = options
    this.#port = port
    this.url = `${options.environment?.RISKGATE_TLS_CERT_FILE ? 'https' : 'http'}://127.0.0.1:${port}`
    this.#running = this.#spawn()
  }

  static async start(options: ReplicaOptions): Promise<Replica> {
    const replica = new Replica(options, await freePort())
    await replica.#running
    return replica
  }

  /** Kills the process with kill -9; returns its former pid. */
  async kill(): Promise<number> {
    const gateway = await this.#running
    await gateway.kill()
    return gateway.pid
  }

  /** Ends the process with SIGTERM, as a rolling restart does. */
  async stop(): Promise<void> {
    const gateway = await this.#running
    const { status, signal } = await gateway.stop()
    if (status !== 0) throw new Error(`The gateway ended with ${status ?? signal} at SIGTERM.`)
  }

  async pid(): Promise<number> {
    return (await this.#running).pid
  }

  async startAgain(): Promise<void> {
    this.#running = this.#spawn()
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gateway = await this.#running.catch(() => undefined)
    await gateway?.kill()
  }

  #spawn(): Promise<GatewayProcess> {
    const { databaseUrl, redisUrl, directory, environment } = this.#options
    const own = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, RISKGATE_PORT: String(this.#port) }
    return spawnGateway({ ...own, ...TEST_KEY, ...environment }, { cwd: directory })
  }
}
