import { type AlertHints, LocalHints } from '../alerts/hints.js'
import { RedisHints } from '../alerts/redisHints.js'
import { type CreateLimiter, limitersOver } from '../cache/limiters.js'
import { MemoryLatestPredictions } from '../cache/memoryLatestPredictions.js'
import { RedisLatestPredictions } from '../cache/redisLatestPredictions.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import { type Kit, warnTo } from './kit.js'

export interface Shared {
  readonly hints: AlertHints
  readonly latest: LatestPredictions
  readonly createLimiter: CreateLimiter
}

/** Starts the parts that replicas share: over Redis where there is one, else within this process. */
export async function startReplicas(kit: Kit): Promise<Shared> {
  const { redisUrl } = kit.config
  if (redisUrl === undefined) {
    return { hints: new LocalHints(), latest: new MemoryLatestPredictions(), createLimiter: limitersOver(undefined) }
  }
  // The Redis client takes a tenth of a second to load.
  const { connectRedis } = await import('../cache/redisConnection.js')
  const warn = warnTo(kit)
  const [commands, subscriber] = [connectRedis(redisUrl, warn), connectRedis(redisUrl, warn)]
  kit.onStop(() => {
    commands.disconnect()
    subscriber.disconnect()
  })
  return {
    hints: new RedisHints(commands, subscriber),
    latest: new RedisLatestPredictions(commands),
    createLimiter: limitersOver(commands),
  }
}
