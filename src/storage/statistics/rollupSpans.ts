const MINUTE_MS = 60_000

/** The quarter of an hour in which the statistics count a prediction, from its column `created_at`. */
export const QUARTER = `date_bin('15 minutes', created_at, timestamptz '2000-01-01 00:00Z')`

/** The lengths of rollups, in minutes: a day of UTC, an hour, a quarter of an hour. */
export const GRAINS = [1_440, 60, 15] as const

export interface Span {
  /** The length of the rollups that it is made of. */
  readonly minutes: number
  /** Milliseconds since 1970: from <= t < to. */
  readonly from: number
  readonly to: number
}

/** Splits a time into spans, from its beginning to its end: the longest rollups that fit, the shortest for the rest. */
export function* spansOf(from: number, to: number, [minutes, ...finer]: readonly number[] = GRAINS): Generator<Span> {
  if (minutes === undefined || from >= to) return
  if (finer.length === 0) return yield { minutes, from, to }
  const step = minutes * MINUTE_MS
  const first = Math.ceil(from / step) * step
  const last = Math.floor(to / step) * step
  if (first >= last) return yield* spansOf(from, to, finer)
  yield* spansOf(from, first, finer)
  yield { minutes, from: first, to: last }
  yield* spansOf(last, to, finer)
}
