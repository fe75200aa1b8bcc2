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
