import { unexpected } from '../observability/logger.js'
import { removeOldAlerts } from '../storage/alerts/alertRetention.js'
import { daysAgo } from '../storage/postgres/instants.js'
import { ensurePartitions } from '../storage/postgres/partitions.js'
import { keepUp, type UpkeepTask } from '../storage/postgres/upkeep.js'
import { PredictionRetention } from '../storage/predictions/predictionRetention.js'
import type { Kit } from './kit.js'

const HOUR_MS = 3_600_000

/**
 * Creates the partitions of the coming months, and removes alerts and predictions past their retention. The clock of the database decides
 * what is old: a gateway whose clock is a month ahead would remove all alerts.
 */
export function startRetention({ config, database, logger, upkeep }: Kit): void {
  upkeep(
    {
      name: 'partitions ahead',
      everyMs: 12 * HOUR_MS,
      run: () => database.write(({ sql }) => ensurePartitions(sql, new Date())),
    },
    {
      name: 'retention of alerts',
      everyMs: 5_000,
      run: async signal => removeOldAlerts(database, await daysAgo(database, config.alertRetentionDays), signal),
    },
  )
  const { predictionRetentionDays } = config
  if (predictionRetentionDays === undefined) return
  const retention = new PredictionRetention(database)
  const run = async (signal: AbortSignal) => {
    for (const partition of await retention.run(await daysAgo(database, predictionRetentionDays), signal))
      logger.info({ partition }, 'predictions past their retention were removed')
  }
  upkeep({ name: 'prediction retention', everyMs: HOUR_MS, run })
}

/** Starts the periodic work of all parts. */
export function startUpkeep({ logger, onStop }: Kit, { tasks }: { tasks: readonly UpkeepTask[] }): void {
  onStop(keepUp(tasks, (task, error) => logger.error({ task, ...unexpected(error) }, 'upkeep failed; trying again')))
}
