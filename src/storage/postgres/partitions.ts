import type { Sql } from 'postgres'
import { databaseTime } from './instants.js'

// The current month and the next two: a task that did not run must not stop the writes.
const MONTHS_AHEAD = 2
/** Gateways that own the tables, and an owner's `riskgate upkeep` once a week, always leave more days with partitions than this. */
export const FEW_DAYS_AHEAD = 35
// A UUIDv7 has 48 bits for its time.
const LAST_MILLISECOND = 2 ** 48 - 1

/** Creates the partitions of now and of the coming months, by the clock of the database. */
export async function ensurePartitionsAhead(sql: Sql): Promise<void> {
  await ensurePartitions(sql, new Date(await databaseTime(sql)))
}

/** Whether predictions of now can be stored, by the clock of the database. */
export async function hasPartitionOfNow(sql: Sql): Promise<boolean> {
  return (await endOfPartitions(sql)).getTime() > (await databaseTime(sql))
}

/**
 * Why predictions of this month or the coming ones cannot be stored though a table of their name exists, as after a detach by hand;
 * undefined where there is none. Only an operator knows whether its rows may come back.
 */
export async function detachedPartitions(sql: Sql): Promise<string | undefined> {
  const now = new Date(await databaseTime(sql))
  const detached: string[] = []
  for (let offset = 0; offset <= MONTHS_AHEAD; offset++) {
    const name = nameOf(startOfMonth(now, offset))
    if ((await stateOf(sql, name)) === 'detached') detached.push(name)
  }
  if (detached.length === 0) return undefined
  return `${detached.join(', ')} exists, but is not attached to predictions: attach it, or give it another name`
}

/** Whether this user may create partitions: it owns the table of predictions, and may create tables. */
export async function mayMakePartitions(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select pg_has_role(relowner, 'usage') and has_schema_privilege(relnamespace, 'create') as may
    from pg_class where oid = to_regclass('predictions')`
  return row?.may ?? false
}

/** When the last of the months ends that have partitions, from now on and without a gap; the start of this month where it has none. */
export async function endOfPartitions(sql: Sql): Promise<Date> {
  const now = new Date(await databaseTime(sql))
  const rows = await sql<{ name: string }[]>`
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'predictions'::regclass and not inhdetachpending`
  const present = new Set(rows.map(({ name }) => name))
  let offset = 0
  while (present.has(nameOf(startOfMonth(now, offset)))) offset++
  return startOfMonth(now, offset)
}

/**
 * Creates the monthly partitions of predictions around `now`, with the month before. Several gateways may run and repeat it. A table
 * that was detached stays as it is.
 */
export async function ensurePartitions(sql: Sql, now: Date): Promise<void> {
  for (let offset = -1; offset <= MONTHS_AHEAD; offset++) {
    const from = startOfMonth(now, offset)
    const to = startOfMonth(now, offset + 1)
    const name = nameOf(from)
    if ((await stateOf(sql, name)) !== 'missing') continue
    // Under a lock, as two gateways may create the same table at once. Attached, because `partition of` would wait for every
    // reader of the history, and keep all writers waiting behind it.
    await sql.unsafe(
      `do $$ begin
        lock table predictions in share update exclusive mode;
        if to_regclass('${name}') is null then
          create table ${name} (like predictions including defaults including constraints);
          alter table predictions attach partition ${name} for values from ('${firstIdOf(from)}') to ('${firstIdOf(to)}');
        end if;
      end $$`,
    )
  }
}

/** The name of the partition of a month. */
function nameOf(month: Date): string {
  return `predictions_${month.toISOString().slice(0, 7).replace('-', '_')}`
}

async function stateOf(sql: Sql, table: string): Promise<'missing' | 'attached' | 'detached'> {
  const [row] = await sql<{ oid: string | null; isAttached: boolean }[]>`
    select to_regclass(${table})::oid::text as oid, exists (select from pg_inherits
      where inhrelid = to_regclass(${table}) and inhparent = 'predictions'::regclass and not inhdetachpending) as "isAttached"`
  if (!row?.oid) return 'missing'
  return row.isAttached ? 'attached' : 'detached'
}

/** The smallest UUIDv7 (RFC 9562, section 5.7) of a millisecond: earlier ids sort lower. Times out of its range are clamped. */
export function firstIdOf(instant: Date): string {
  const milliseconds = Math.min(Math.max(instant.getTime(), 0), LAST_MILLISECOND)
  const hex = milliseconds.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

/** The start of the month in UTC, `offset` months later. */
export function startOfMonth(now: Date, offset: number): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + offset, 1))
}
