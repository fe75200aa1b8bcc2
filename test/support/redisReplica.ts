import { RedisHints } from '../../src/alerts/redisHints.js'
import type { LeasedLimiter } from '../../src/cache/leasedLimiter.js'
import { limitersOver } from '../../src/cache/limiters.js'
import { RedisLatestPredictions } from '../../src/cache/redisLatestPredictions.js'
import { type RedisUse, RedisUses } from '../../src/cache/redisUses.js'
import { until } from './process.js'
import { linkTo } from './redisLink.js'

export const LIMIT = 100

/** What one gateway does with Redis, and everything that it tells about it. */
export class RedisReplica implements Disposable {
  readonly told: string[] = []
  readonly limiter: LeasedLimiter
  readonly latest: RedisLatestPredictions
  readonly hints: RedisHints
  readonly commands
  readonly #subscriber
  readonly #trust

  constructor(url: string, caFile?: string, limit = LIMIT) {
    this.commands = linkTo(url, code => this.told.push(`lost: ${code}`), caFile)
    this.#subscriber = linkTo(url, () => {}, caFile, 'listens')
    const uses = new RedisUses({
      refused: ({ use, code }) => this.told.push(`${use}: ${code}`),
      servedAgain: use => this.told.push(`${use} again`),
    })
    this.latest = new RedisLatestPredictions(this.commands, uses.of('latest predictions'))
    const { create, trust } = limitersOver(this.commands, uses.of('limits'))
    this.#trust = trust
    this.limiter = create({ name: 'principal', limit, windowSeconds: 30 }) as LeasedLimiter
    const [sent, received] = [uses.of('hints sent'), uses.of('hints received')]
    this.hints = new RedisHints({ publisher: this.commands, subscriber: this.#subscriber, sent, received })
  }

  /** Until limits and cache are shared. */
  async shares(timeoutMs = 10_000): Promise<void> {
    await until(() => this.#trust.answers && this.latest.isTrusted && this.#subscriber.isReady, timeoutMs)
  }

  tells(use: RedisUse | 'lost', code: string): Promise<void> {
    return this.#hears(`${use}: ${code}`)
  }

  tellsAgain(use: RedisUse): Promise<void> {
    return this.#hears(`${use} again`)
  }

  async #hears(line: string): Promise<void> {
    await until(() => this.told.includes(line)).catch(() => {
      throw new Error(`It told ${JSON.stringify(this.told)}, and not ${line}.`)
    })
  }

  [Symbol.dispose](): void {
    this.commands.disconnect()
    this.#subscriber.disconnect()
  }
}

/** How many of twice as many calls as the limit allows pass, from all replicas in turn. */
export async function passesOf(replicas: readonly RedisReplica[], key: string): Promise<number> {
  let passed = 0
  for (let i = 0; i < 2 * LIMIT; i++) {
    const { isRefused } = await (replicas[i % replicas.length] as RedisReplica).limiter.take(key, 1)
    if (!isRefused) passed++
  }
  return passed
}
