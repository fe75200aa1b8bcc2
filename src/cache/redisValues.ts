import type { Cluster, Redis } from 'ioredis'
import { ID_LENGTH } from './latestEntry.js'

/**
 * Puts a value unless a newer one is stored; a stored erasure refuses the predictions that it covers. KEYS[1]; ARGV: the value,
 * its lifetime in seconds. A value begins with its id, and the ids compare as texts.
 */
const PUT_UNLESS_NEWER = `
local known = redis.call('GET', KEYS[1])
if known then
  local old, new = string.sub(known, 1, ${ID_LENGTH}), string.sub(ARGV[1], 1, ${ID_LENGTH})
  if old > new or (old == new and #ARGV[1] > ${ID_LENGTH}) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1`

/** Puts each value unless a newer one is stored. Throws the first refusal. */
export async function putEach(
  client: Redis | Cluster,
  values: readonly (readonly [key: string, value: string])[],
  ttlSeconds: number,
): Promise<void> {
  // A pipeline to a cluster must stay within one node.
  if ('nodes' in client) {
    await Promise.all(values.map(([key, value]) => client.eval(PUT_UNLESS_NEWER, 1, key, value, ttlSeconds)))
    return
  }
  const pipeline = client.pipeline()
  for (const [key, value] of values) pipeline.eval(PUT_UNLESS_NEWER, 1, key, value, ttlSeconds)
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
}

/** The values of keys, in their order. A command for a cluster must stay within one part of it. */
export async function valuesOf(client: Redis | Cluster, keys: readonly string[]): Promise<(string | null)[]> {
  if ('nodes' in client) return Promise.all(keys.map(key => client.get(key)))
  return client.mget([...keys])
}

/** Removes all keys that begin so, on each node that holds some. */
export async function removeByPrefix(client: Redis | Cluster, prefix: string): Promise<void> {
  const nodes = 'nodes' in client ? client.nodes('master') : [client]
  for (const node of nodes) {
    let cursor = '0'
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000)
      // One by one: in a cluster the keys of a node need not belong together.
      await Promise.all(keys.map(key => node.unlink(key)))
      cursor = next
    } while (cursor !== '0')
  }
}
