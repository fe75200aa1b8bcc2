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

/** The instant this many days ago by the clock of the database: the same for all gateways, however wrong the clock of one is. */
export async function daysAgo(database: Database, days: number): Promise<Date> {
  const [row] = await database.read(({ sql }) => sql.unsafe<{ now: number }[]>(`select ${milliseconds('now()')} as now`))
  if (!row) throw new Error('The database returned no time.')
  return new Date(row.now - days * DAY_MS)
}
