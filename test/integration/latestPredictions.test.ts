import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryLatestPredictions } from '../../src/cache/memoryLatestPredictions.js'
import { connectRedis } from '../../src/cache/redisConnection.js'
import { RedisLatestPredictions } from '../../src/cache/redisLatestPredictions.js'
import type { Prediction } from '../../src/scoring/prediction.js'
import { until } from '../support/process.js'
import { freePort, REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { newPrediction } from '../support/stores.js'

const TENANT = 'default'

function predictionOf(applicantId: string): Prediction {
  return newPrediction({ applicantId }).prediction
}

async function latestIn(cache: RedisLatestPredictions | MemoryLatestPredictions, applicantId: string) {
  return (await cache.find(TENANT, [applicantId])).get(applicantId)
}

describe.skipIf(!REDIS_SERVER)('the latest predictions of two replicas in one Redis', () => {
  let redis: TestRedis
  let port: number
  let connections: Redis[]
  let first: RedisLatestPredictions
  let second: RedisLatestPredictions
  beforeAll(async () => {
    port = await freePort()
    redis = await startRedis(port)
  })
  afterAll(() => redis[Symbol.asyncDispose]())
  beforeEach(async () => {
    connections = [connectRedis(redis.url, () => {}), connectRedis(redis.url, () => {})]
    ;[first, second] = connections.map(connection => new RedisLatestPredictions(connection)) as [
      RedisLatestPredictions,
      RedisLatestPredictions,
    ]
    await first.remember([predictionOf('canary')])
    for (const replica of [first, second]) await trusted(replica)
  })
  afterEach(() => {
    for (const connection of connections) connection.disconnect()
  })

  /** Until the replica believes what is in Redis. */
  const trusted = (replica: RedisLatestPredictions) => until(async () => (await latestIn(replica, 'canary')) !== undefined)
  const freeze = () => process.kill(redis.pid, 'SIGSTOP')
  const thaw = () => process.kill(redis.pid, 'SIGCONT')

  /** What a replica finds from now until both believe Redis again. */
  async function foundUntilTrusted(applicantId: string): Promise<(string | undefined)[]> {
    const found: (string | undefined)[] = []
    for (const replica of [first, second]) {
      await until(async () => {
        found.push((await latestIn(first, applicantId))?.id, (await latestIn(second, applicantId))?.id)
        return (await latestIn(replica, 'canary')) !== undefined
      })
    }
    found.push((await latestIn(first, applicantId))?.id, (await latestIn(second, applicantId))?.id)
    return found
  }

  it('are what the other one wrote', async () => {
    const prediction = predictionOf('shared')
    await first.remember([prediction])
    expect(await latestIn(second, 'shared')).toEqual(prediction)
  })

  it('are never those of before a freeze, not on a replica that was asked nothing meanwhile either', async () => {
    const [old, ...newer] = Array.from({ length: 5 }, () => predictionOf('frozen'))
    await first.remember([old as Prediction])
    freeze()
    try {
      for (const prediction of newer) await first.remember([prediction])
      // As long as a replica without any work needs to notice.
      await connections[1]?.ping().catch(() => undefined)
      await until(async () => (await latestIn(second, 'canary')) === undefined)
    } finally {
      thaw()
    }
    const newest = newer.at(-1)?.id
    const found = await foundUntilTrusted('frozen')
    expect(found.filter(id => id !== undefined && id !== newest)).toEqual([])
    expect(found.slice(-2)).toEqual([newest, newest])
  })

  it('hold a write up for one time limit of a command, and the next ones not at all', async () => {
    freeze()
    try {
      const writes = vi.spyOn(connections[0] as Redis, 'pipeline')
      for (let i = 0; i < 200; i++) await first.remember([predictionOf(`held-${i}`)])
      expect(writes).toHaveBeenCalledTimes(1)
    } finally {
      thaw()
    }
    await trusted(first)
    expect(await latestIn(second, 'held-199')).toBeDefined()
  })

  it('are never those that a restarted Redis has read back from its disk', async () => {
    const [old, newer] = [predictionOf('restarted'), predictionOf('restarted')]
    // The last one that connects again.
    const slow = connectRedis(redis.url, () => {})
    slow.options.retryStrategy = () => 1_000
    connections.push(slow)
    first = new RedisLatestPredictions(slow)
    await trusted(first)
    await first.remember([old])
    const client = new Redis(redis.url)
    const saved = await Promise.all((await client.keys('riskgate:latest:*')).map(async key => [key, await client.get(key)]))
    client.disconnect()
    await redis.kill()
    await first.remember([newer])
    redis = await startRedis(port)
    const restored = new Redis(redis.url)
    // Before any replica is there again, as if from the disk.
    await restored.mset(saved.flat() as string[])
    restored.disconnect()
    const found = await foundUntilTrusted('restarted')
    expect(found.filter(id => id !== undefined && id !== newer.id)).toEqual([])
    expect(found.slice(-2)).toEqual([newer.id, newer.id])
  })

  it('are nobody’s after a flush', async () => {
    await first.remember([predictionOf('flushed')])
    const client = new Redis(redis.url)
    await client.flushall()
    expect(await latestIn(second, 'flushed')).toBeUndefined()
    client.disconnect()
  })

  it('are all dropped when Redis was away for more writes than can be kept', async () => {
    const old = predictionOf('many')
    await first.remember([old])
    freeze()
    try {
      await first.remember([predictionOf('many')])
      await first.remember(Array.from({ length: 10_001 }, (_, i) => predictionOf(`other-${i}`)))
    } finally {
      thaw()
    }
    await until(async () => {
      await first.remember([predictionOf('canary')])
      return (await latestIn(first, 'canary')) !== undefined
    })
    expect(await latestIn(second, 'many')).toBeUndefined()
  })

  it('do not come back after erasure with a reader that looked before it, but with a new score', async () => {
    const [erased, rescored] = [predictionOf('erased'), predictionOf('erased')]
    await first.remember([erased])
    await first.forget(TENANT, 'erased', erased.id)
    expect(await latestIn(second, 'erased')).toBeUndefined()
    await second.remember([erased])
    expect(await latestIn(first, 'erased')).toBeUndefined()
    await second.remember([rescored])
    expect(await latestIn(first, 'erased')).toEqual(rescored)
  })

  it('are forgotten although Redis was frozen during the erasure', async () => {
    const erased = predictionOf('erased-frozen')
    await first.remember([erased])
    freeze()
    try {
      await first.forget(TENANT, 'erased-frozen', erased.id)
      // A reader that looked before the erasure; what it sends, Redis takes when it thaws.
      await second.remember([erased])
    } finally {
      thaw()
    }
    const found = await foundUntilTrusted('erased-frozen')
    expect(found.filter(id => id !== undefined)).toEqual([])
  })
})

describe('the latest predictions within one process', () => {
  it('keep the newest, whichever comes last', async () => {
    const cache = new MemoryLatestPredictions()
    const [older, newer] = [predictionOf('a'), predictionOf('a')]
    await cache.remember([newer, older])
    expect(await latestIn(cache, 'a')).toEqual(newer)
  })

  it('do not come back after erasure, but with a new score', async () => {
    const cache = new MemoryLatestPredictions()
    const [erased, rescored] = [predictionOf('a'), predictionOf('a')]
    await cache.remember([erased])
    await cache.forget(TENANT, 'a', erased.id)
    await cache.remember([erased])
    expect(await latestIn(cache, 'a')).toBeUndefined()
    await cache.remember([rescored])
    expect(await latestIn(cache, 'a')).toEqual(rescored)
  })
})
