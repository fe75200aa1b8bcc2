import { type AlertHints, LocalHints } from '../alerts/hints.js'
import { RedisHints } from '../alerts/redisHints.js'
import { type CreateLimiter, limitersOver } from '../cache/limiters.js'
import { MemoryLatestPredictions } from '../cache/memoryLatestPredictions.js'
import { connectRedis } from '../cache/redisConnection.js'
import { RedisLatestPredictions } from '../cache/redisLatestPredictions.js'
import type { Config } from '../config/config.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'

/** What replicas share: over Redis where there is one, else within this process. */
export function connectReplicas(
  { redisUrl }: Config,
  warn: (message: string, fields: Record<string, unknown>) => void,
  onStop: (closer: () => void) => void,
): { hints: AlertHints; latest: LatestPredictions; createLimiter: CreateLimiter } {
  if (redisUrl === undefined) {
    return { hints: new LocalHints(), latest: new MemoryLatestPredictions(), createLimiter: limitersOver(undefined) }
  }
  const [commands, subscriber] = [connectRedis(redisUrl, warn), connectRedis(redisUrl, warn)]
  onStop(() => {
    commands.disconnect()
    subscriber.disconnect()
  })
  return {
    hints: new RedisHints(commands, subscriber),
    latest: new RedisLatestPredictions(commands),
    createLimiter: limitersOver(commands),
  }
}
