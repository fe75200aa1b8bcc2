import { RollupStore } from '../storage/statistics/rollupStore.js'
import type { Kit } from './kit.js'

const FOLD_EVERY_MS = 2_000

/** Starts the statistics behind summaries, and folds them from time to time. */
export function startStatistics({ database, upkeep }: Kit): RollupStore {
  const rollups = new RollupStore(database)
  upkeep({ name: 'statistics', everyMs: FOLD_EVERY_MS, run: signal => rollups.fold(signal) })
  return rollups
}
