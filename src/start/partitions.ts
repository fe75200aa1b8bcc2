import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import {
  detachedPartitions,
  endOfPartitions,
  ensurePartitionsAhead,
  FEW_DAYS_AHEAD,
  mayMakePartitions,
} from '../storage/postgres/partitions.js'
import type { Kit } from './kit.js'
import { patiently } from './patiently.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Creates the partitions of the coming months; where another user owns the tables, says in time that this user must.
 * Answers what readiness warns of.
 */
export async function startPartitions(
  { database, metrics, logger, upkeep }: Kit,
  { clock }: { readonly clock: ClockWatch },
): Promise<{ readonly warnings: () => string[] }> {
  let end = new Date(0)
  let isOwners = true
  let detached: string | undefined
  const isNear = () => !isOwners && end.getTime() - clock.now() < FEW_DAYS_AHEAD * DAY_MS

  async function lookAhead(): Promise<void> {
    isOwners = await database.read(({ sql }) => mayMakePartitions(sql))
    if (isOwners) await database.write(({ sql }) => ensurePartitionsAhead(sql))
    end = await database.read(({ sql }) => endOfPartitions(sql))
    detached = await database.read(({ sql }) => detachedPartitions(sql))
    if (detached !== undefined) logger.warn({ reason: detached }, 'predictions of a month cannot be stored')
    if (isNear())
      logger.warn(
        { until: end },
        'partitions of the coming months are missing, and this user may not create them: run riskgate upkeep',
      )
  }

  metrics.gauge(
    'partitions_end_timestamp_seconds',
    'When the last month ends that has a partition for predictions, in seconds since 1970.',
    () => end.getTime() / 1_000,
  )
  await patiently(lookAhead)
  upkeep({ name: 'partitions ahead', everyMs: 12 * HOUR_MS, run: lookAhead })
  return {
    warnings: () => [
      ...(isNear()
        ? [`Partitions of predictions end at ${end.toISOString()}: run riskgate upkeep as the owner of the tables`]
        : []),
      ...(detached === undefined ? [] : [detached]),
    ],
  }
}
