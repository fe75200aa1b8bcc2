import type { Config } from '../config/config.js'
import type { Logger } from '../observability/logger.js'
import { removeOldAlerts } from '../storage/alerts/alertRetention.js'
import type { Database } from '../storage/postgres/database.js'
import { ensurePartitions } from '../storage/postgres/partitions.js'
import type { UpkeepTask } from '../storage/postgres/upkeep.js'
import { PredictionRetention } from '../storage/predictions/predictionRetention.js'
import type { RollupStore } from '../storage/statistics/rollupStore.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const FOLD_EVERY_MS = 2_000

/** What keeps predictions, alerts and statistics in shape. */
export function upkeepOf(config: Config, database: Database, rollups: RollupStore, logger: Logger): UpkeepTask[] {
  const tasks: UpkeepTask[] = [
    {
      name: 'partitions ahead',
      everyMs: 12 * HOUR_MS,
      run: () => database.write(({ sql }) => ensurePartitions(sql, new Date())),
    },
    {
      name: 'retention of alerts',
      everyMs: 5_000,
      run: signal => removeOldAlerts(database, new Date(Date.now() - config.alertRetentionDays * DAY_MS), signal),
    },
    { name: 'statistics', everyMs: FOLD_EVERY_MS, run: signal => rollups.fold(signal) },
  ]
  if (config.predictionRetentionDays === undefined) return tasks
  const retention = new PredictionRetention(database, config.predictionRetentionDays)
  const run = async (signal: AbortSignal) => {
    for (const partition of await retention.run(new Date(), signal))
      logger.info({ partition }, 'predictions past their retention were removed')
  }
  return [...tasks, { name: 'prediction retention', everyMs: HOUR_MS, run }]
}
