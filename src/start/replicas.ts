import { type AlertHints, LocalHints } from '../alerts/hints.js'
import { RedisHints } from '../alerts/redisHints.js'
import { type CreateLimiter, limitersOfProcess, limitersOver } from '../cache/limiters.js'
import { MemoryLatestPredictions } from '../cache/memoryLatestPredictions.js'
import { RedisLatestPredictions } from '../cache/redisLatestPredictions.js'
import { REDIS_USES, RedisUses } from '../cache/redisUses.js'
import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import { showFromZero } from '../observability/metrics.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Kit } from './kit.js'

export interface Shared {
  readonly hints: AlertHints
  readonly latest: LatestPredictions
  readonly createLimiter: CreateLimiter
}

/**
 * Starts the parts that replicas share: over Redis where there is one, else within this process.
 * @throws ConfigError where Redis shows that the settings can never work
 */
export async function startReplicas(kit: Kit): Promise<Shared> {
  const { redis } = kit.config
  if (redis !== undefined) return shareOver(redis, kit)
  const latest = counted(new MemoryLatestPredictions(), kit)
  return { hints: new LocalHints(), latest, createLimiter: limitersOfProcess }
}

async function shareOver(redis: NonNullable<Config['redis']>, kit: Kit): Promise<Shared> {
  const { metrics, logger } = kit
  // The Redis client takes a tenth of a second to load.
  const { connectRedis, misfitSentence } = await import('../cache/connectRedis.js')
  const { REFUSAL_CODES } = await import('../cache/redisRefusals.js')
  const commands = connectRedis(redis, {
    lost: code => logger.warn({ code }, 'Redis is not available; serving without it'),
    regained: () => logger.info('Redis is available again'),
  })
  // The other connection tells the same.
  const subscriber = connectRedis(redis, { lost: () => {}, regained: () => {} }, 'listens')
  kit.onStop(() => {
    commands.disconnect()
    subscriber.disconnect()
  })
  await commands.settled()
  const problem = misfitSentence(commands)
  if (problem !== undefined) throw new ConfigError([problem])
  showFromZero(metrics.redisRefusals, 'code', REFUSAL_CODES)
  const uses = new RedisUses({
    refused: ({ listedCode, ...fields }) => {
      metrics.redisRefusals.inc({ code: listedCode })
      logger.warn(fields, 'Redis does not do what it is asked; this use goes on without it')
    },
    servedAgain: use => logger.info({ use }, 'Redis serves this use again'),
  })
  const latest = new RedisLatestPredictions(commands, uses.of('latest predictions'))
  const limits = limitersOver(commands, uses.of('limits'))
  const hints = new RedisHints({
    publisher: commands,
    subscriber,
    sent: uses.of('hints sent'),
    received: uses.of('hints received'),
  })
  metrics.gauge('redis_up', 'Whether Redis answers and its values are used; 1 or 0.', () =>
    latest.isTrusted && limits.trust.answers ? 1 : 0,
  )
  metrics.gauges('redis_refused', 'Whether Redis can be reached but refuses this use; 1 or 0.', 'use', () =>
    Object.fromEntries(REDIS_USES.map(use => [use, uses.isRefused(use) ? 1 : 0])),
  )
  // Else the first calls would be counted here alone.
  await limits.trust.settled()
  return { hints, latest: counted(latest, kit), createLimiter: limits.create }
}

/** The same predictions; counts which were found. */
function counted(latest: LatestPredictions, { metrics }: Kit): LatestPredictions {
  const looked = metrics.lookups('latest_predictions')
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
