import { Redis } from 'ioredis'
import { describe, expect, it, vi } from 'vitest'
import { MemoryLatestPredictions } from '../../src/cache/memoryLatestPredictions.js'
import { RedisLatestPredictions } from '../../src/cache/redisLatestPredictions.js'
import type { RedisLink } from '../../src/cache/redisLink.js'
import type { Prediction } from '../../src/scoring/prediction.js'
import { until } from '../support/process.js'
import { freePort, REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { linkTo, UNHEARD } from '../support/redisLink.js'
import { newPrediction } from '../support/stores.js'

const TENANT = 'default'

function predictionOf(applicantId: string): Prediction {
  return newPrediction({ applicantId }).prediction
}

async function latestIn(cache: RedisLatestPredictions | MemoryLatestPredictions, applicantId: string) {
  return (await cache.find(TENANT, [applicantId])).get(applicantId)
}

interface Stage extends AsyncDisposable {
  redis: TestRedis
  readonly port: number
  readonly connections: RedisLink[]
  first: RedisLatestPredictions
  readonly second: RedisLatestPredictions
  freeze(): void
  thaw(): void
  /** What a replica finds from now until both believe Redis again. */
  foundUntilTrusted(applicantId: string): Promise<(string | undefined)[]>
}

/** Until the replica believes what is in Redis. */
const trusted = (replica: RedisLatestPredictions) => until(async () => (await latestIn(replica, 'canary')) !== undefined)

/** Two replicas and a Redis of their own. */
async function startStage(): Promise<Stage> {
  const port = await freePort()
  const redis = await startRedis(port)
  const connections = [linkTo(redis.url), linkTo(redis.url)]
  const [first, second] = connections.map(connection => new RedisLatestPredictions(connection, UNHEARD)) as [
    RedisLatestPredictions,
    RedisLatestPredictions,
  ]
  const stage: Stage = {
    redis,
    port,
    connections,
    first,
    second,
    freeze: () => void process.kill(stage.redis.pid, 'SIGSTOP'),
    thaw: () => void process.kill(stage.redis.pid, 'SIGCONT'),
    async foundUntilTrusted(applicantId) {
      const found: (string | undefined)[] = []
      const look = async () =>
        found.push((await latestIn(stage.first, applicantId))?.id, (await latestIn(second, applicantId))?.id)
      for (const replica of [stage.first, second]) {
        await until(async () => {
          await look()
          return (await latestIn(replica, 'canary')) !== undefined
        })
      }
      await look()
      return found
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.disconnect()
      await stage.redis[Symbol.asyncDispose]()
    },
  }
  await first.remember([predictionOf('canary')])
  for (const replica of [first, second]) await trusted(replica)
  return stage
}

// At once: most of their time, replicas wait until they trust Redis again.
describe.skipIf(!REDIS_SERVER).concurrent('the latest predictions of two replicas in one Redis', () => {
  it('are what the other one wrote', async () => {
    await using stage = await startStage()
    const prediction = predictionOf('shared')
    await stage.first.remember([prediction])
    expect(await latestIn(stage.second, 'shared')).toEqual(prediction)
  })

  it('are never those of before a freeze, not on a replica that was asked nothing meanwhile either', async () => {
    await using stage = await startStage()
    const [old, ...newer] = Array.from({ length: 5 }, () => predictionOf('frozen'))
    await stage.first.remember([old as Prediction])
    stage.freeze()
    try {
      for (const prediction of newer) await stage.first.remember([prediction])
      // Waits as long as an idle replica needs to notice the freeze.
      await stage.connections[1]?.client.ping().catch(() => undefined)
      await until(async () => (await latestIn(stage.second, 'canary')) === undefined)
    } finally {
      stage.thaw()
    }
    const newest = newer.at(-1)?.id
    const found = await stage.foundUntilTrusted('frozen')
    expect(found.filter(id => id !== undefined && id !== newest)).toEqual([])
    expect(found.slice(-2)).toEqual([newest, newest])
  })

  it('hold a write up for one time limit of a command, and the next ones not at all', async () => {
    await using stage = await startStage()
    stage.freeze()
    try {
      const writes = vi.spyOn(stage.connections[0]?.client as Redis, 'pipeline')
      for (let i = 0; i < 200; i++) await stage.first.remember([predictionOf(`held-${i}`)])
      expect(writes).toHaveBeenCalledTimes(1)
    } finally {
      stage.thaw()
    }
    await trusted(stage.first)
    expect(await latestIn(stage.second, 'held-199')).toBeDefined()
  })

  it('are never those that a restarted Redis has read back from its disk', async () => {
    await using stage = await startStage()
    const [old, newer] = [predictionOf('restarted'), predictionOf('restarted')]
    // The replica that is the last to connect again.
    const slow = linkTo(stage.redis.url)
    slow.client.options = { ...slow.client.options, retryStrategy: () => 1_000 } as typeof slow.client.options
    stage.connections.push(slow)
    stage.first = new RedisLatestPredictions(slow, UNHEARD)
    await trusted(stage.first)
    await stage.first.remember([old])
    const client = new Redis(stage.redis.url)
    const saved = await Promise.all((await client.keys('riskgate:latest:*')).map(async key => [key, await client.get(key)]))
    client.disconnect()
    await stage.redis.kill()
    await stage.first.remember([newer])
    stage.redis = await startRedis(stage.port)
    const restored = new Redis(stage.redis.url)
    // Restored before any replica has connected again, as if from the disk.
    await restored.mset(saved.flat() as string[])
    restored.disconnect()
    const found = await stage.foundUntilTrusted('restarted')
    expect(found.filter(id => id !== undefined && id !== newer.id)).toEqual([])
    expect(found.slice(-2)).toEqual([newer.id, newer.id])
  })

  it('are nobody’s after a flush', async () => {
    await using stage = await startStage()
    await stage.first.remember([predictionOf('flushed')])
    const client = new Redis(stage.redis.url)
    await client.flushall()
    expect(await latestIn(stage.second, 'flushed')).toBeUndefined()
    client.disconnect()
  })

  it('are all dropped when Redis was away for more writes than can be kept', async () => {
    await using stage = await startStage()
    const old = predictionOf('many')
    await stage.first.remember([old])
    stage.freeze()
    try {
      await stage.first.remember([predictionOf('many')])
      await stage.first.remember(Array.from({ length: 10_001 }, (_, i) => predictionOf(`other-${i}`)))
    } finally {
      stage.thaw()
    }
    await until(async () => {
      await stage.first.remember([predictionOf('canary')])
      return (await latestIn(stage.first, 'canary')) !== undefined
    })
    expect(await latestIn(stage.second, 'many')).toBeUndefined()
  })

  it('do not come back after erasure with a reader that looked before it, but with a new score', async () => {
    await using stage = await startStage()
    const [erased, rescored] = [predictionOf('erased'), predictionOf('erased')]
    await stage.first.remember([erased])
    await stage.first.forget(TENANT, 'erased', erased.id)
    expect(await latestIn(stage.second, 'erased')).toBeUndefined()
    await stage.second.remember([erased])
    expect(await latestIn(stage.first, 'erased')).toBeUndefined()
    await stage.second.remember([rescored])
    expect(await latestIn(stage.first, 'erased')).toEqual(rescored)
  })

  it('are forgotten although Redis was frozen during the erasure', async () => {
    await using stage = await startStage()
    const erased = predictionOf('erased-frozen')
    await stage.first.remember([erased])
    stage.freeze()
    try {
      await stage.first.forget(TENANT, 'erased-frozen', erased.id)
      // A reader that read before the erasure. Redis executes its write when it thaws.
      await stage.second.remember([erased])
    } finally {
      stage.thaw()
    }
    const found = await stage.foundUntilTrusted('erased-frozen')
    expect(found.filter(id => id !== undefined)).toEqual([])
  })
})

describe('the latest predictions within one process', () => {
  it('keep the newest prediction, whichever is written last', async () => {
    const cache = new MemoryLatestPredictions()
    const [older, newer] = [predictionOf('a'), predictionOf('a')]
    await cache.remember([newer, older])
    expect(await latestIn(cache, 'a')).toEqual(newer)
  })

  it('do not come back after an erasure until there is a new score', async () => {
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
