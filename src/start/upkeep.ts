import { unexpected } from '../observability/logger.js'
import { removeOldAlerts } from '../storage/alerts/alertRetention.js'
import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import { daysAgo } from '../storage/postgres/instants.js'
import { isNotPermitted } from '../storage/postgres/postgresErrors.js'
import { keepUp, type UpkeepTask } from '../storage/postgres/upkeep.js'
import { PredictionRetention } from '../storage/predictions/predictionRetention.js'
import type { Kit } from './kit.js'

const HOUR_MS = 3_600_000

/** Removes alerts and predictions past their retention. */
export function startRetention({ config, database, logger, upkeep }: Kit): void {
  upkeep({
    name: 'retention of alerts',
    everyMs: 5_000,
    run: async signal => removeOldAlerts(database, await daysAgo(database, config.alertRetentionDays), signal),
  })
  const { predictionRetentionDays } = config
  if (predictionRetentionDays === undefined) return
  const retention = new PredictionRetention(database)
  let isLeft = false
  const run = async (signal: AbortSignal) => {
    try {
      for (const partition of await retention.run(await daysAgo(database, predictionRetentionDays), signal))
        logger.info({ partition }, 'predictions past their retention were removed')
      isLeft = false
    } catch (error) {
      if (!isNotPermitted(error)) throw error
      if (!isLeft) logger.warn('predictions are past their retention, and this user may not remove them: run riskgate upkeep')
      isLeft = true
    }
  }
  upkeep({ name: 'prediction retention', everyMs: HOUR_MS, run })
}

/** Starts the periodic work of all parts. While the clock is wrong, most of it waits. */
export function startUpkeep(
  { metrics, logger, onStop }: Kit,
  { tasks, clock }: { tasks: readonly UpkeepTask[]; clock: ClockWatch },
): void {
  const failed = (task: string, error: unknown) => logger.error({ task, ...unexpected(error) }, 'upkeep failed; trying again')
  const ended = (task: string, result: string) => metrics.upkeepRuns.inc({ task, result })
  for (const { name } of tasks) metrics.upkeepRuns.inc({ task: name, result: 'failed' }, 0)
  onStop(keepUp(tasks, { ended, failed, isClockRight: () => clock.isRight }))
}
