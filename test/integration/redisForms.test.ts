import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { misfitSentence } from '../../src/cache/connectRedis.js'
import { until } from '../support/process.js'
import { REDIS_SERVER, startRedis } from '../support/redis.js'
import { RedisCluster } from '../support/redisCluster.js'
import { linkTo } from '../support/redisLink.js'
import { LIMIT, passesOf, RedisReplica } from '../support/redisReplica.js'
import { newPrediction } from '../support/stores.js'

describe.skipIf(!REDIS_SERVER)('two gateways on a cluster of Redis', () => {
  let cluster: RedisCluster
  let first: RedisReplica
  let second: RedisReplica
  beforeAll(async () => {
    cluster = await RedisCluster.start()
    first = new RedisReplica(oneSeed())
    second = new RedisReplica(`redis://${cluster.ports.map(port => `127.0.0.1:${port}`).join(',')}`)
    await Promise.all([first.shares(), second.shares()])
  })
  afterAll(async () => {
    for (const replica of [first, second]) replica[Symbol.dispose]()
    await cluster[Symbol.asyncDispose]()
  })

  const oneSeed = () => `redis://127.0.0.1:${cluster.ports[1]}`

  it('let as many calls pass as the limit says, whichever node counts them', async () => {
    for (let i = 0; i < 6; i++) expect(await passesOf([first, second], `key ${i}`)).toBe(LIMIT)
    const counts = await Promise.all(cluster.masters.map(({ client }) => client.dbsize()))
    expect(counts.filter(count => count > 0).length).toBeGreaterThan(1)
    expect([...first.told, ...second.told]).toEqual([])
  })

  it('find the newest predictions that the other wrote, and hear its hints', async () => {
    const written = Array.from({ length: 30 }, (_, i) => newPrediction({ applicantId: `of a cluster ${i}` }).prediction)
    await first.latest.remember(written)
    const found = await second.latest.find(
      'default',
      written.map(({ applicantId }) => applicantId),
    )
    expect([...found.values()]).toEqual(written)
    const hinted = new Promise<void>(resolve => second.hints.subscribe(resolve))
    first.hints.publish()
    await hinted
  })

  it('refuse to start with a database, which a cluster does not have', async () => {
    const link = linkTo(`${oneSeed()}/1`)
    await link.settled()
    expect(misfitSentence(link)).toMatch(/^REDIS_URL names a database, but leads to a cluster/)
    link.disconnect()
  })
})

describe.skipIf(!REDIS_SERVER)('a Redis that answers and refuses is told once, and once more when that is over:', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let owner: Redis
  beforeAll(async () => {
    redis = await startRedis(undefined, ['--rename-command', 'EVAL', ''])
    owner = new Redis(redis.url).on('error', () => {})
  })
  afterAll(async () => {
    owner.disconnect()
    await redis[Symbol.asyncDispose]()
  })

  it('no scripts', async () => {
    using replica = new RedisReplica(redis.url)
    await replica.tells('limits', 'UNKNOWN_COMMAND')
    await replica.tells('latest predictions', 'UNKNOWN_COMMAND')
    // The limit of the process.
    expect(await passesOf([replica], 'without scripts')).toBe(LIMIT)
    expect(replica.told).toHaveLength(2)
  })
})

describe.skipIf(!REDIS_SERVER).concurrent('a Redis that begins to refuse tells it once, and once more when that is over:', () => {
  const CASES: [code: string, uses: number, begin: string[], end: string[]][] = [
    ['OOM', 2, ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['NOPERM', 2, ['ACL', 'SETUSER', 'gateway', '-eval', '-evalsha'], ['ACL', 'SETUSER', 'gateway', '+eval', '+evalsha']],
    ['NOREPLICAS', 2, ['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0']],
    ['READONLY', 2, ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ]

  it.each(CASES)('%s', async (code, uses, begin, end) => {
    await using redis = await startRedis()
    const owner = new Redis(redis.url).on('error', () => {})
    await owner.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~riskgate:*', '&riskgate:*', '+@all')
    using replica = new RedisReplica(redis.url.replace('redis://', 'redis://gateway:pw@'))
    await replica.shares()
    await owner.call(...(begin as [string, ...string[]]))
    expect(await passesOf([replica], code)).toBe(LIMIT)
    await replica.tells('limits', code)
    await replica.latest.remember([newPrediction({ applicantId: code }).prediction])
    await replica.tells('latest predictions', code)
    await owner.call(...(end as [string, ...string[]]))
    await replica.tellsAgain('limits')
    await replica.tellsAgain('latest predictions')
    await replica.shares()
    expect(await passesOf([replica], `${code} over`)).toBe(LIMIT)
    expect(replica.told).toHaveLength(2 * uses)
    owner.disconnect()
  })

  it('the channel of the hints', async () => {
    await using redis = await startRedis()
    const owner = new Redis(redis.url).on('error', () => {})
    await owner.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~riskgate:*', '+@all')
    using replica = new RedisReplica(redis.url.replace('redis://', 'redis://gateway:pw@'))
    await replica.tells('hints received', 'NOPERM')
    await until(() => {
      replica.hints.publish()
      return replica.told.includes('hints sent: NOPERM')
    })
    await owner.call('ACL', 'SETUSER', 'gateway', '&riskgate:*')
    await replica.tellsAgain('hints received')
    await until(() => {
      replica.hints.publish()
      return replica.told.includes('hints sent again')
    })
    expect(replica.told).toHaveLength(4)
    owner.disconnect()
  })
})
