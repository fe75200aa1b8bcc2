import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { misfitSentence } from '../../src/cache/connectRedis.js'
import { makePair } from '../support/certificates.js'
import { until } from '../support/process.js'
import { freePort, startRedis } from '../support/redis.js'
import { RedisCluster } from '../support/redisCluster.js'
import { linkTo } from '../support/redisLink.js'
import { LIMIT, passesOf, RedisReplica } from '../support/redisReplica.js'
import { RedisSentinels } from '../support/redisSentinels.js'
import { newPrediction } from '../support/stores.js'

/** As docs/operations/redis.md names them. */
const RIGHTS = /riskgate on >password (.*)/.exec(readFileSync('docs/operations/redis.md', 'utf8'))?.[1]?.split(' ') ?? []

const write = (replica: RedisReplica, applicantId: string) => replica.latest.remember([newPrediction({ applicantId }).prediction])

describe('a cluster of Redis', () => {
  it('is shared over a failover in mid-run; meanwhile each process counts alone', async () => {
    await using cluster = await RedisCluster.start({ replicas: 1 })
    const seeds = `redis://${cluster.ports.map(port => `127.0.0.1:${port}`).join(',')}`
    using first = new RedisReplica(seeds)
    using second = new RedisReplica(seeds)
    await Promise.all([first.shares(), second.shares()])
    const [lost, ...others] = cluster.masters
    await lost?.server.kill()
    // Keys of the lost master are among them. No call fails, and none passes beyond the limit of its process.
    const isTold = ({ told }: RedisReplica) => told.some(line => line.startsWith('limits:'))
    await until(async () => {
      expect(await passesOf([first, second], `during ${performance.now()}`)).toBeLessThanOrEqual(2 * LIMIT)
      return isTold(first) && isTold(second)
    })
    await until(async () => String(await others[0]?.client.cluster('INFO')).includes('cluster_state:ok'), 30_000)
    await until(async () => {
      await Promise.all([first, second].map(replica => replica.shares(30_000)))
      return (await passesOf([first, second], `after ${performance.now()}`)) === LIMIT
    }, 60_000)
    for (let i = 0; i < 10; i++) expect(await passesOf([first, second], `after ${i}`)).toBe(LIMIT)
    for (const { told } of [first, second]) {
      // Each loss is told once, and each with its end, which the next beat tells.
      const count = (begin: string) => told.filter(line => line.startsWith(begin)).length
      await until(() => count('limits:') === count('limits again'))
    }
  })

  it('is shared while slots move from node to node (MOVED, ASK)', async () => {
    await using cluster = await RedisCluster.start()
    const [from, to] = cluster.masters as [(typeof cluster.masters)[0], (typeof cluster.masters)[0]]
    using first = new RedisReplica(`redis://127.0.0.1:${from.port}`)
    using second = new RedisReplica(`redis://127.0.0.1:${to.port}`)
    await Promise.all([first.shares(), second.shares()])
    const [fromId, toId] = [await from.client.cluster('MYID'), await to.client.cluster('MYID')]
    // A key of the first node, in the middle of its window.
    const digests = Array.from({ length: 20 }, (_, i) => `moving ${i}`)
    for (const key of digests) expect((await first.limiter.take(key, 50)).isRefused).toBe(false)
    const keys = await from.client.keys('riskgate:limit:principal:*')
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) {
      const slot = await from.client.cluster('KEYSLOT', key)
      await to.client.cluster('SETSLOT', slot, 'IMPORTING', fromId)
      await from.client.cluster('SETSLOT', slot, 'MIGRATING', toId)
      await from.client.migrate('127.0.0.1', to.port, key, 0, 5_000)
    }
    for (const key of digests) expect((await second.limiter.take(key, 50)).isRefused).toBe(false)
    for (const key of keys) {
      const slot = await to.client.cluster('KEYSLOT', key)
      for (const { client } of cluster.masters) await client.cluster('SETSLOT', slot, 'NODE', toId)
    }
    for (const key of digests) expect((await second.limiter.take(key, 1)).isRefused).toBe(true)
    expect([...first.told, ...second.told]).toEqual([])
  })

  it('with TLS, a user and a password is verified against the authority of the settings', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'riskgate-redis-tls-'))
    const { cert, key } = await makePair()
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
    writeFileSync(certFile, cert)
    writeFileSync(keyFile, key)
    const tls = [
      '--tls-cert-file',
      certFile,
      '--tls-key-file',
      keyFile,
      '--tls-ca-cert-file',
      certFile,
      '--tls-auth-clients',
      'no',
    ]
    await using cluster = await RedisCluster.start({
      options: [...tls, '--tls-cluster', 'yes', '--tls-replication', 'yes'],
      portOptions: port => ['--port', '0', '--tls-port', String(port)],
      client: { tls: { ca: cert } },
    })
    for (const { client } of cluster.masters) {
      await client.call('ACL', 'SETUSER', 'gateway', 'on', '>p@ss', ...RIGHTS)
    }
    const seeds = cluster.ports.map(port => `127.0.0.1:${port}`).join(',')
    using first = new RedisReplica(`rediss://gateway:p%40ss@${seeds}`, certFile)
    using second = new RedisReplica(`rediss://gateway:p%40ss@127.0.0.1:${cluster.ports[2]}`, certFile)
    await Promise.all([first.shares(), second.shares()])
    for (let i = 0; i < 5; i++) expect(await passesOf([first, second], `tls ${i}`)).toBe(LIMIT)
    using stranger = new RedisReplica(`rediss://gateway:p%40ss@${seeds}`)
    await stranger.tells('lost', 'DEPTH_ZERO_SELF_SIGNED_CERT')
    using wrong = new RedisReplica(`rediss://gateway:wrong@${seeds}`, certFile)
    await wrong.tells('lost', 'WRONGPASS')
    rmSync(directory, { recursive: true })
  })

  it('that is down is told once', async () => {
    await using cluster = await RedisCluster.start()
    using replica = new RedisReplica(`redis://127.0.0.1:${cluster.ports[0]}`)
    await replica.shares()
    await cluster.masters[2]?.server.kill()
    await until(async () => String(await cluster.masters[0]?.client.cluster('INFO')).includes('cluster_state:fail'), 30_000)
    for (let i = 0; i < 3; i++) expect(await passesOf([replica], `down ${i}`)).toBe(LIMIT)
    const ofLimits = () => replica.told.filter(line => line.startsWith('limits'))
    await until(() => ofLimits().length > 0)
    expect(ofLimits()[0]).toMatch(/: (CLOSED|CLUSTERDOWN)$/)
    for (let i = 0; i < 3; i++) expect(await passesOf([replica], `still down ${i}`)).toBe(LIMIT)
    expect(ofLimits()).toHaveLength(1)
  })
})

describe('Sentinel', () => {
  it('names the master, also the next one', async () => {
    await using sentinels = await RedisSentinels.start()
    using first = new RedisReplica(sentinels.url)
    using second = new RedisReplica(sentinels.url)
    await Promise.all([first.shares(), second.shares()])
    expect(await passesOf([first, second], 'before')).toBe(LIMIT)
    await sentinels.master.kill()
    for (let i = 0; i < 5; i++) expect(await passesOf([first, second], `during ${i}`)).toBeLessThanOrEqual(2 * LIMIT)
    await until(() => first.told.some(line => line.startsWith('lost')))
    await Promise.all([first.shares(60_000), second.shares(60_000)])
    expect(await passesOf([first, second], 'after')).toBe(LIMIT)
    expect(first.told.filter(line => line.startsWith('lost'))).toHaveLength(1)
    const wrong = linkTo(sentinels.sentinelUrl)
    await wrong.settled()
    expect(misfitSentence(wrong)).toMatch(/^REDIS_URL leads to a Sentinel/)
    wrong.disconnect()
  })
})

describe('a Redis that answers and refuses', () => {
  let directory: string
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'riskgate-redis-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  it('NOAUTH and WRONGPASS, from the start', async () => {
    await using redis = await startRedis(undefined, ['--requirepass', 'pw'])
    using anonymous = new RedisReplica(redis.url)
    await anonymous.tells('limits', 'NOAUTH')
    using wrong = new RedisReplica(redis.url.replace('redis://', 'redis://:wrong@'))
    await wrong.tells('lost', 'WRONGPASS')
    for (const replica of [anonymous, wrong]) expect(await passesOf([replica], 'alone')).toBe(LIMIT)
    expect(wrong.told).toEqual(['lost: WRONGPASS'])
  })

  it('MISCONF: a snapshot that failed', async () => {
    const port = await freePort()
    await using redis = await startRedis(port, ['--dir', directory, '--save', '3600 1'])
    const owner = new Redis(redis.url)
    using replica = new RedisReplica(redis.url)
    await replica.shares()
    // A child that cannot write: its file is a folder.
    spawnSync('mkdir', ['-p', join(directory, 'dump.rdb', 'x')])
    await owner.bgsave()
    await until(async () => (await owner.info('persistence')).includes('rdb_last_bgsave_status:err'))
    for (let i = 0; i < 3; i++) expect(await passesOf([replica], `misconf ${i}`)).toBe(LIMIT)
    await replica.tells('limits', 'MISCONF')
    await owner.config('SET', 'stop-writes-on-bgsave-error', 'no')
    await replica.tellsAgain('limits')
    owner.disconnect()
  })

  it('BUSY: a script that does not end', async () => {
    await using redis = await startRedis(undefined, ['--busy-reply-threshold', '50'])
    const owner = new Redis(redis.url)
    using replica = new RedisReplica(redis.url)
    await replica.shares()
    owner.eval('while true do end', 0).catch(() => {})
    await until(async () => {
      await passesOf([replica], `busy ${performance.now()}`)
      return replica.told.length > 0
    })
    const other = new Redis(redis.url, { enableReadyCheck: false })
    await other.call('SCRIPT', 'KILL')
    await replica.tellsAgain('limits')
    expect(replica.told.filter(line => line.startsWith('limits'))[0]).toMatch(/^limits: (BUSY|TIMEOUT)$/)
    owner.disconnect()
    other.disconnect()
  })

  it('MASTERDOWN: a replica that has no data yet', async () => {
    await using redis = await startRedis(undefined, ['--replica-serve-stale-data', 'no', '--replicaof', '127.0.0.1 1'])
    using replica = new RedisReplica(redis.url)
    await replica.tells('limits', 'MASTERDOWN')
    expect(await passesOf([replica], 'alone')).toBe(LIMIT)
    expect(replica.told.filter(line => line.startsWith('limits'))).toHaveLength(1)
  })

  it('a read-only replica: limits hold for each process, which is told', async () => {
    await using master = await startRedis()
    await using redis = await startRedis(undefined, ['--replicaof', `127.0.0.1 ${new URL(master.url).port}`])
    using first = new RedisReplica(redis.url)
    using second = new RedisReplica(redis.url)
    await Promise.all([first.tells('limits', 'READONLY'), second.tells('limits', 'READONLY')])
    for (const replica of [first, second]) expect(await passesOf([replica], 'alone')).toBe(LIMIT)
    // It becomes the master in a failover behind its address.
    const owner = new Redis(redis.url)
    await owner.call('REPLICAOF', 'NO', 'ONE')
    await Promise.all([first.shares(), second.shares()])
    expect(await passesOf([first, second], 'together')).toBe(LIMIT)
    owner.disconnect()
  })

  it('keys of limits alone', async () => {
    await using redis = await startRedis()
    const owner = new Redis(redis.url)
    await owner.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~riskgate:latest:*', '&riskgate:*', '+@all')
    using replica = new RedisReplica(redis.url.replace('redis://', 'redis://gateway:pw@'))
    await replica.tells('limits', 'NOPERM')
    await write(replica, 'cached')
    await until(async () => (await replica.latest.find('default', ['cached'])).size === 1)
    expect(replica.told).toEqual(['limits: NOPERM'])
    owner.disconnect()
  })

  it('a cluster that may not be asked what it is shows it by MOVED', async () => {
    await using cluster = await RedisCluster.start()
    for (const { client } of cluster.masters) {
      await client.call('ACL', 'SETUSER', 'gateway', 'on', '>pw', '~riskgate:*', '&riskgate:*', '+@all', '-cluster|info')
    }
    using first = new RedisReplica(`redis://gateway:pw@127.0.0.1:${cluster.ports[0]}`)
    using second = new RedisReplica(`redis://gateway:pw@127.0.0.1:${cluster.ports[1]}`)
    for (let i = 0; i < 20; i++) await passesOf([first, second], `seeking ${i}`)
    await Promise.all([first.shares(), second.shares()])
    for (let i = 0; i < 5; i++) expect(await passesOf([first, second], `found ${i}`)).toBe(LIMIT)
  })
})
