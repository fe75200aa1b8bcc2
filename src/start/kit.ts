import type { Config } from '../config/config.js'
import type { Logger } from '../observability/logger.js'
import type { Metrics } from '../observability/metrics.js'
import type { Database } from '../storage/postgres/database.js'
import type { UpkeepTask } from '../storage/postgres/upkeep.js'
import type { Tracer } from '../tracer.js'

/** The things that every part gets besides its own needs: `startX(kit, needs)`. */
export interface Kit {
  readonly config: Config
  readonly database: Database
  readonly metrics: Metrics
  readonly logger: Logger
  readonly tracer: Tracer
  /** Registers how the part ends. Parts end in the reverse order of their start. */
  readonly onStop: (end: () => Promise<void> | void) => void
  /** Registers periodic work. It begins before callers are let in, and ends after the last of them. */
  readonly upkeep: (...tasks: readonly UpkeepTask[]) => void
}

/** For the parts that start before the database. */
export type EarlyKit = Omit<Kit, 'database'>

/** Lets the lower floors log a warning. */
export function warnTo({ logger }: Pick<Kit, 'logger'>) {
  return (message: string, fields: Record<string, unknown> = {}): void => logger.warn(fields, message)
}
