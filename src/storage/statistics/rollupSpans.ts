const MINUTE_MS = 60_000

/** The quarter of an hour that the statistics count a prediction in, of its column `created_at`. */
export const QUARTER = `date_bin('15 minutes', created_at, timestamptz '2000-01-01 00:00Z')`

/** How long a rollup may be, in minutes: a day and an hour of UTC, a quarter of an hour. */
export const GRAINS = [1_440, 60, 15] as const

export interface Span {
  /** Of the rollups that it is made of. */
  readonly minutes: number
  /** Milliseconds since 1970: from <= t < to. */
  readonly from: number
  readonly to: number
}

/** Takes a time to pieces, from its beginning to its end: as long rollups as fit, the shortest for the rest. */
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
