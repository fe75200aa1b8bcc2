import type { Sql } from 'postgres'
import type { Database } from './database.js'

const DAY_MS = 86_400_000
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

// On Drizzle's connections, plain statements get instants as texts. They select milliseconds since 1970 instead.

/** A row with its instants as milliseconds. */
export type InMilliseconds<T> = {
  readonly [Key in keyof T]: Exclude<T[Key], Date> | (Date extends T[Key] ? number : never)
}

/** An SQL expression for an instant in milliseconds. */
export function milliseconds(expression: string): string {
  return `(extract(epoch from ${expression}) * 1000)::float8`
}

export function toInstant(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds)
}

/**
 * The nearest instant that ids and PostgreSQL can hold. Ids begin with a time since 1970, and PostgreSQL does not read years with
 * more than four digits.
 */
export function storable(instant: Date): Date {
  return new Date(Math.min(Math.max(instant.getTime(), 0), LAST_MS))
}

/** The time by the clock of the database, in milliseconds. */
export async function databaseTime(sql: Sql): Promise<number> {
  const [row] = await sql.unsafe<{ now: number }[]>(`select ${milliseconds('clock_timestamp()')} as now`)
  if (!row) throw new Error('The database returned no time.')
  return Math.round(row.now)
}

/**
 * The instant this many days ago, for a deletion: by the clock of the database or by the own one, whichever is earlier. A clock that
 * is ahead, on either side, then removes nothing too early.
 */
export async function daysAgo(database: Database, days: number): Promise<Date> {
  const there = await database.read(({ sql }) => databaseTime(sql))
  return new Date(Math.min(there, Date.now()) - days * DAY_MS)
}
