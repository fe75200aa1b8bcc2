import { ClockWatch } from '../storage/postgres/clockWatch.js'
import type { Kit } from './kit.js'
import { patiently } from './patiently.js'

const LOOK_EVERY_MS = 5_000

/** Watches the clock of this process. */
export async function startClock({ database, metrics, logger, upkeep }: Kit): Promise<ClockWatch> {
  const clock = new ClockWatch(database, aheadSeconds =>
    logger.warn({ aheadSeconds }, 'the clock differs from that of Postgres; no upkeep runs here'),
  )
  metrics.gauge(
    'clock_ahead_seconds',
    'How far the clock of this process is ahead of that of Postgres; negative when it is behind.',
    () => clock.aheadSeconds,
  )
  await patiently(() => clock.look())
  upkeep({ name: 'clock', everyMs: LOOK_EVERY_MS, withAnyClock: true, run: () => clock.look() })
  return clock
}
