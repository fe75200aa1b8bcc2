import { describe, expect, it } from 'vitest'
import { connectRedis } from '../../src/cache/redisConnection.js'
import { REDIS_SERVER, startRedis } from '../support/redis.js'

describe.skipIf(!REDIS_SERVER)('a Redis that refuses the password', () => {
  it('is reported with the code of its refusal, and without the password', async () => {
    await using server = await startRedis()
    const owner = connectRedis(server.url, () => {})
    await new Promise<void>(resolve => owner.once('ready', resolve))
    await owner.config('SET', 'requirepass', 'of the owner')
    const url = new URL(server.url)
    url.password = 'hunter2'
    const warned = await new Promise<[string, Record<string, unknown>]>(resolve => {
      const refused = connectRedis(url.href, (message, fields) => {
        refused.disconnect()
        resolve([message, fields])
      })
    })
    owner.disconnect()
    expect(warned).toEqual(['Redis is not available; serving without it', { code: 'WRONGPASS' }])
  })
})
