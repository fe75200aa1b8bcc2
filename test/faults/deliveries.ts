import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'

// Longer than the pauses of a reconnecting client and the half second of the reader's poll.
const GIVE_UP_AFTER_QUIET_MS = 15_000
// Long enough for a surplus alert to arrive.
const SETTLE_MS = 1_000

/** Waits until all alerts have arrived, or until none has arrived for a while. */
export async function allReceived(isAll: () => boolean, received: () => number, signal: AbortSignal): Promise<void> {
  let [count, since] = [received(), performance.now()]
  while (!isAll() && performance.now() - since < GIVE_UP_AFTER_QUIET_MS) {
    await sleep(20, undefined, { signal })
    if (received() !== count) [count, since] = [received(), performance.now()]
  }
  await sleep(SETTLE_MS, undefined, { signal })
}

export async function alertsIn(sql: Sql): Promise<ReadonlySet<string>> {
  const rows = await sql<{ id: string }[]>`select prediction_id as id from alerts`
  return new Set(rows.map(({ id }) => id))
}

export async function highRiskWithoutAlert(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from predictions left join alerts on id = prediction_id where high_risk and prediction_id is null`
  return row?.count ?? 0
}
