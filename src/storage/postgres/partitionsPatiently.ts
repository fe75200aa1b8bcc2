import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { type Blocker, BlockerWatch } from './blockerWatch.js'
import { openOwnersSession } from './driver.js'
import { ensurePartitionsAhead } from './partitions.js'
import { isLockTimeout } from './postgresErrors.js'
import { inTransaction } from './transaction.js'

const PAUSE_MS = 1_000
// Writers may queue behind a lock that is waited for, and gateways give a write up after a second.
const LIMITS = { lock_timeout: 200, statement_timeout: 10_000, idle_in_transaction_session_timeout: 10_000 }

/** Other sessions held their locks for too long. */
class BlockedError extends Error {}

/**
 * Creates the partitions of now and of the coming months. While another session holds a lock on predictions, as VACUUM does, it is
 * tried again, `tries` times, a second apart. `blocked` is called for each new set of such sessions.
 * @throws BlockedError
 */
export async function ensurePartitionsPatiently(
  url: string,
  { tries, blocked }: { readonly tries: number; readonly blocked: (blockers: readonly Blocker[]) => void },
): Promise<void> {
  const sql = openOwnersSession(url, 'riskgate:upkeep')
  const watch = new BlockerWatch(url, blocked)
  try {
    for (let attempt = 1; !(await ensuredInTime(sql, watch)); attempt++) {
      if (attempt === tries) throw new BlockedError('Other sessions hold locks on predictions. Run this again.')
      await sleep(PAUSE_MS)
    }
  } finally {
    await watch.end()
    await sql.end({ timeout: 1 })
  }
}

/** False where a lock was not available in time. */
async function ensuredInTime(sql: Sql, watch: BlockerWatch): Promise<boolean> {
  try {
    await inTransaction(sql, LIMITS, async () => {
      const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
      await watch.during(row?.pid ?? 0, () => ensurePartitionsAhead(sql))
    })
    return true
  } catch (error) {
    if (isLockTimeout(error)) return false
    throw error
  }
}
