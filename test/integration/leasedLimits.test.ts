import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LeasedLimiter } from '../../src/cache/leasedLimiter.js'
import { type CreateLimiter, limitersOver } from '../../src/cache/limiters.js'
import type { RedisLink } from '../../src/cache/redisLink.js'
import { BEAT_MS, RedisTrust } from '../../src/cache/redisTrust.js'
import type { Taken } from '../../src/server/limits/pointLimiter.js'
import { until } from '../support/process.js'
import { freePort, REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { linkTo, UNHEARD } from '../support/redisLink.js'

const LIMIT = 1_000
const BLOCK = 10

describe.skipIf(!REDIS_SERVER)('limits that replicas share over Redis', () => {
  let redis: TestRedis
  let port: number
  let client: Redis
  let connections: RedisLink[]
  beforeAll(async () => {
    port = await freePort()
    redis = await startRedis(port)
  })
  afterAll(() => redis[Symbol.asyncDispose]())
  beforeEach(async () => {
    connections = []
    client = new Redis(redis.url)
    client.on('error', () => {})
    await client.flushall()
  })
  afterEach(() => {
    vi.restoreAllMocks()
    for (const connection of [...connections, client]) connection.disconnect()
  })

  /** The limiters of one replica that trusts Redis: points that it took have arrived there. */
  async function startReplica(number: number): Promise<CreateLimiter> {
    const connection = linkTo(redis.url)
    connections.push(connection)
    const { create } = limitersOver(connection, UNHEARD)
    const name = `canary-${number}`
    const canary = create({ name, limit: 1_000_000, windowSeconds: 10 }) as LeasedLimiter
    await until(async () => {
      await canary.take('canary', 1)
      return (await client.keys(`riskgate:limit:${name}:*`)).length > 0
    })
    return create
  }

  async function startLimiters(count: number, limit = LIMIT, seconds = 10): Promise<LeasedLimiter[]> {
    const replicas = await Promise.all(Array.from({ length: count }, (_, i) => startReplica(i)))
    await client.flushall()
    return replicas.map(create => create({ name: 'principal', limit, windowSeconds: seconds }) as LeasedLimiter)
  }

  /** Takes single points from all limiters in turn, as fast as possible; returns how many were let through. */
  async function takeAll(limiters: readonly LeasedLimiter[], key: string, calls: number): Promise<number> {
    const taken: (Taken | Promise<Taken>)[] = []
    for (let i = 0; i < calls; i++) {
      taken.push((limiters[i % limiters.length] as LeasedLimiter).take(key, 1))
      if (i % 50 === 0) await new Promise(setImmediate)
    }
    const answers = await Promise.all(taken)
    return answers.filter(({ isRefused }) => !isRefused).length
  }

  /** Works again if a command timed out on a busy machine, because then each replica counts alone. */
  async function whileRedisAnswers<T>(work: () => Promise<T>): Promise<T> {
    const lost = vi.spyOn(RedisTrust.prototype, 'lose')
    for (let attempt = 0; attempt < 5; attempt++) {
      lost.mockClear()
      const result = await work()
      if (lost.mock.calls.length === 0) return result
    }
    throw new Error('Redis missed the time limit of a command in each attempt')
  }

  const ofRedis = async () => Number(await client.get((await client.keys('riskgate:limit:principal:*'))[0] ?? ''))

  it('are exact on one replica', async () => {
    const letThrough = await whileRedisAnswers(async () => takeAll(await startLimiters(1), 'a', 2 * LIMIT))
    expect(letThrough).toBe(LIMIT)
    expect(await ofRedis()).toBe(LIMIT)
  })

  it.each([2, 3])('are over- or undershot by no more than the blocks of %i replicas', async count => {
    const letThrough = await whileRedisAnswers(async () => takeAll(await startLimiters(count), 'a', 3 * LIMIT))
    expect(Math.abs(letThrough - LIMIT)).toBeLessThanOrEqual(count * BLOCK)
  })

  it('are exact on three replicas if a block is less than a point', async () => {
    expect(await whileRedisAnswers(async () => takeAll(await startLimiters(3, 60), 'a', 300))).toBe(60)
  })

  it('are decided without waiting once points are leased, and also for the first call', async () => {
    const [limiter] = (await startLimiters(1, 100_000)) as [LeasedLimiter]
    expect(limiter.take('a', 1)).not.toBeInstanceOf(Promise)
    for (let i = 0; i < 5_000; i++) {
      expect(limiter.take('a', 1)).not.toBeInstanceOf(Promise)
      if (i % 100 === 0) await client.ping()
    }
    expect(await ofRedis()).toBeGreaterThan(4_900)
  })

  it('cost Redis one command for each block, not for each call', async () => {
    const [limiter] = (await startLimiters(1, 100_000)) as [LeasedLimiter]
    await client.config('RESETSTAT')
    for (let i = 0; i < 20_000; i++) {
      await limiter.take('a', 1)
      if (i % 100 === 0) await client.ping()
    }
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1])
    expect(calls).toBeLessThan(100)
  })

  it('count batches by their rows, and charge nothing for a refused batch', async () => {
    const [limiter] = (await startLimiters(1)) as [LeasedLimiter]
    for (let i = 0; i < 9; i++) expect((await limiter.take('a', 101)).isRefused).toBe(false)
    expect(await limiter.take('a', 101)).toMatchObject({ isRefused: true, remaining: LIMIT - 9 * 101 })
    expect(await limiter.take('a', LIMIT - 9 * 101)).toMatchObject({ isRefused: false, remaining: 0 })
  })

  it('store no names in Redis, and nothing permanent', async () => {
    const [limiter] = (await startLimiters(1)) as [LeasedLimiter]
    await limiter.take('default client-4711', 300)
    const keys = await client.keys('*')
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatch(/^riskgate:limit:principal:[\w-]{43}$/)
    expect(await client.pttl(keys[0] as string)).toBeGreaterThan(0)
  })

  it('begin anew together with the next window', async () => {
    const limiters = await startLimiters(2, LIMIT, 1)
    expect(await takeAll(limiters, 'a', 2 * LIMIT)).toBeLessThanOrEqual(LIMIT + 2 * BLOCK)
    await until(async () => !(await (limiters[0] as LeasedLimiter).take('a', 1)).isRefused)
    const again = await takeAll(limiters, 'a', 2 * LIMIT)
    expect(Math.abs(again - LIMIT)).toBeLessThanOrEqual(3 * BLOCK)
  })

  describe('while Redis', () => {
    /** Calls at a steady pace; returns how many calls waited, and how many were let through. */
    async function paced(limiter: LeasedLimiter, calls: number, key = 'a') {
      let [waited, letThrough] = [0, 0]
      for (let i = 0; i < calls; i++) {
        const taken = limiter.take(key, 1)
        if (taken instanceof Promise) waited++
        if (!(await taken).isRefused) letThrough++
        if (i % 20 === 0) await new Promise(resolve => setTimeout(resolve, 1))
      }
      return { waited, letThrough }
    }
    const freeze = () => process.kill(redis.pid, 'SIGSTOP')
    const thaw = () => process.kill(redis.pid, 'SIGCONT')

    it('is frozen apply to each process alone, and only one call waits', async () => {
      const limiters = await startLimiters(2)
      const before = await takeAll(limiters, 'a', 200)
      freeze()
      const during = await Promise.all(limiters.map(limiter => paced(limiter, 2 * LIMIT))).finally(thaw)
      for (const { waited, letThrough } of during) {
        expect(waited).toBeLessThanOrEqual(1)
        expect(letThrough).toBeLessThanOrEqual(LIMIT - before / 2 + BLOCK)
        expect(letThrough).toBeGreaterThanOrEqual(LIMIT - before)
      }
    })

    it('was frozen are charged to it once it answers again', async () => {
      const [limiter, other] = (await startLimiters(2, 100_000)) as [LeasedLimiter, LeasedLimiter]
      await limiter.take('a', 1)
      freeze()
      try {
        // More points than a block, so that this call notices the freeze.
        await limiter.take('a', 2_000)
        for (let i = 0; i < 40_000; i++) expect(limiter.take('a', 1)).not.toBeInstanceOf(Promise)
      } finally {
        thaw()
      }
      await until(async () => {
        await limiter.take('a', 1)
        return (await ofRedis()) > 42_000
      })
      await until(async () => {
        const { remaining } = await other.take('a', 2_000)
        return remaining < 58_000
      })
    })

    it('is killed apply to each process alone, and to all together once it is back', async () => {
      const limiters = await startLimiters(2)
      await redis.kill()
      await until(() => connections.every(({ isReady }) => !isReady))
      const during = await Promise.all(limiters.map(limiter => paced(limiter, 2 * LIMIT)))
      expect(during.map(({ letThrough }) => letThrough)).toEqual([LIMIT, LIMIT])
      expect(during.map(({ waited }) => waited)).toEqual([0, 0])
      redis = await startRedis(port)
      await until(async () => {
        for (const limiter of limiters) await limiter.take('recovered', 1)
        return (await client.keys('*').catch(() => [])).length > 0
      })
      await until(() => connections.every(({ isReady }) => isReady))
      await until(async () => {
        const key = `again-${performance.now()}`
        return Math.abs((await takeAll(limiters, key, 3 * LIMIT)) - LIMIT) <= 2 * BLOCK
      })
    })

    it('is flushed all the time apply to each process alone', async () => {
      const limiters = await startLimiters(2)
      let isOver = false
      const flushing = (async () => {
        while (!isOver) await client.flushall()
      })()
      const during = await Promise.all(limiters.map(limiter => paced(limiter, 3 * LIMIT)))
      isOver = true
      await flushing
      for (const { letThrough } of during) expect(letThrough).toBeLessThanOrEqual(LIMIT)
    })

    it('is full apply to each process alone, with hardly a wait, and to all together once it has room', async () => {
      const limiters = await startLimiters(2)
      await client.config('SET', 'maxmemory', '1')
      try {
        const startedAt = performance.now()
        const during = await Promise.all(limiters.map(limiter => paced(limiter, 2 * LIMIT)))
        expect(during.map(({ letThrough }) => letThrough)).toEqual([LIMIT, LIMIT])
        // A full Redis still answers the heartbeat: after each one, one call tries Redis again and waits for its refusal.
        for (const { waited } of during) expect(waited).toBeLessThanOrEqual(1 + (performance.now() - startedAt) / BEAT_MS)
      } finally {
        await client.config('SET', 'maxmemory', '0')
      }
      await until(async () => {
        const key = `room-${performance.now()}`
        return Math.abs((await takeAll(limiters, key, 3 * LIMIT)) - LIMIT) <= 2 * BLOCK
      })
    })

    it('holds a foreign value at the key apply to each process alone', async () => {
      const [limiter] = (await startLimiters(1)) as [LeasedLimiter]
      await limiter.take('a', 100)
      const [key] = (await client.keys('*')) as [string]
      await client.del(key)
      await client.lpush(key, 'not a number')
      expect((await paced(limiter, 2 * LIMIT)).letThrough).toBe(LIMIT - 100)
    })
  })
})
