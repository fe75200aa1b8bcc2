import { connectRedis } from '../../src/cache/connectRedis.js'
import type { RedisLink } from '../../src/cache/redisLink.js'
import type { UseReports } from '../../src/cache/redisTrust.js'
import { parseRedisUrl } from '../../src/config/redisUrl.js'

/** A connection as a gateway makes it from REDIS_URL. `lost` hears why it cannot be used. */
export function linkTo(url: string, lost: (code: string) => void = () => {}, caFile?: string, role?: 'listens'): RedisLink {
  const place = parseRedisUrl(url)
  if (typeof place === 'string') throw new Error(place)
  return connectRedis({ ...place, caFile }, { lost, regained: () => {} }, role)
}

export const UNHEARD: UseReports = { refused: () => {}, works: () => {} }
