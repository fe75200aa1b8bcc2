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
  const looked = kit.metrics.lookups('latest_predictions')
  if (redisUrl === undefined) {
    const latest = counted(new MemoryLatestPredictions(), looked)
    return { hints: new LocalHints(), latest, createLimiter: limitersOver(undefined) }
  }
  // The Redis client takes a tenth of a second to load.
  const { connectRedis } = await import('../cache/redisConnection.js')
  const warn = warnTo(kit)
  const [commands, subscriber] = [connectRedis(redisUrl, warn), connectRedis(redisUrl, warn)]
  kit.onStop(() => {
    commands.disconnect()
    subscriber.disconnect()
  })
  const latest = new RedisLatestPredictions(commands)
  kit.metrics.gauge('redis_up', 'Whether Redis answers and its values are used; 1 or 0.', () => (latest.isTrusted ? 1 : 0))
  return {
    hints: new RedisHints(commands, subscriber),
    latest: counted(latest, looked),
    createLimiter: limitersOver(commands),
  }
}

/** The same predictions; counts which were found. */
function counted(latest: LatestPredictions, looked: (isHit: boolean) => void): LatestPredictions {
  return {
    remember: stored => latest.remember(stored),
    forget: (...erased) => latest.forget(...erased),
    async find(tenant, applicantIds) {
      const found = await latest.find(tenant, applicantIds)
      for (const id of applicantIds) looked(found.has(id))
      return found
    },
  }
}
