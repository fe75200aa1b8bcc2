import { startRedis, type TestRedis } from '../support/redis.js'

/** A Redis that keeps its address when it is killed and started again. */
export class RedisServer implements AsyncDisposable {
  readonly url: string
  #running: Promise<TestRedis>

  private constructor(redis: TestRedis) {
    this.url = redis.url
    this.#running = Promise.resolve(redis)
  }

  static async start(): Promise<RedisServer> {
    return new RedisServer(await startRedis())
  }

  /** Kills the process with kill -9; returns its former pid. */
  async kill(): Promise<number> {
    const redis = await this.#running
    await redis.kill()
    return redis.pid
  }

  async startAgain(): Promise<void> {
    this.#running = startRedis(Number(new URL(this.url).port))
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const redis = await this.#running.catch(() => undefined)
    await redis?.kill()
  }
}
