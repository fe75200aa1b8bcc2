import type { Sql } from 'postgres'

// Arbitrary numbers, the same in every gateway: the holder migrates, the others wait. Release 0.2 and before take only the first.
const LOCK = 7_475_002_417
const LOCK_BESIDE_A_LEFT_ONE = 7_475_002_419
// A gateway of release 0.1 holds the lock for its session, and is idle between two statements.
const LEFT_AFTER = '30 seconds'

/**
 * Takes the lock of migrations until the transaction ends, and answers the session that holds it; undefined while another gateway does.
 * A gateway of release 0.1 behind a pooler left its lock in a session of the pooler, where nobody frees it: that of a session which has
 * been idle for long does not count.
 */
export async function tryMigrationLock(sql: Sql): Promise<number | undefined> {
  const [row] = await sql<{ isFirst: boolean; pid: number }[]>`
    select pg_try_advisory_xact_lock(${LOCK_BESIDE_A_LEFT_ONE}) as "isFirst", pg_backend_pid() as pid`
  if (!row?.isFirst) return undefined
  const [own] = await sql<{ isHeld: boolean }[]>`select pg_try_advisory_xact_lock(${LOCK}) as "isHeld"`
  const mayMigrate = own?.isHeld || (await isLeft(sql))
  return mayMigrate ? row.pid : undefined
}

/** Whether the sessions that hold the lock have long been idle. Those that this user may not see count as busy. */
async function isLeft(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ isLeft: boolean }[]>`
    select coalesce(bool_and(state = 'idle' and state_change < clock_timestamp() - ${LEFT_AFTER}::text::interval), false) as "isLeft"
    from pg_locks left join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and pg_locks.database = (select oid from pg_database where datname = current_database())
      and (classid::bigint << 32 | objid::bigint) = ${LOCK}::bigint`
  return row?.isLeft ?? false
}
