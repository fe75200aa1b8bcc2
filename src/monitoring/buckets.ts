export type SummaryInterval = 'HOUR' | 'DAY' | 'WEEK' | 'MONTH'

const QUARTER_MS = 900_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LOCAL_OFFSET = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/
// Intl also accepts offsets such as +05:00, which are not zones.
const ZONE_NAME = /^[A-Za-z][\w+/-]*$/

/** Summaries with more buckets are refused. */
export const MAX_BUCKETS = 1_000
const LENGTH_MS: Readonly<Record<SummaryInterval, number>> = {
  HOUR: HOUR_MS,
  DAY: DAY_MS - HOUR_MS,
  WEEK: 7 * DAY_MS - HOUR_MS,
  MONTH: 28 * DAY_MS - HOUR_MS,
}

/** How many buckets a range has at most, whatever the zone. */
export function bucketsAtMost({ from, to, interval }: { from?: unknown; to?: unknown; interval?: unknown }): number {
  const length = LENGTH_MS[interval as SummaryInterval] ?? HOUR_MS
  if (!(from instanceof Date && to instanceof Date)) return MAX_BUCKETS
  return Math.min(Math.max(Math.ceil((to.getTime() - from.getTime()) / length) + 1, 0), MAX_BUCKETS)
}

/** The milliseconds that local time is ahead of UTC at an instant. */
export type OffsetAt = (instant: number) => number

/** The clock of an IANA time zone; undefined for any other name. */
export function clockOf(timeZone: string): OffsetAt | undefined {
  if (!ZONE_NAME.test(timeZone)) return undefined
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' })
    return instant => {
      const [, sign, hours = 0, minutes = 0, seconds = 0] = LOCAL_OFFSET.exec(format.format(instant)) ?? []
      const ahead = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000
      return sign === '-' ? -ahead : ahead
    }
  } catch {
    return undefined
  }
}

/**
 * The instants at which each hour, day, week (from Monday) or month of the local clock begins: the one that `from` lies in, and
 * each later one that begins before `to`. At most `limit` of them, and one more when there are too many.
 */
export function bucketStarts(from: Date, to: Date, interval: SummaryInterval, offsetAt: OffsetAt, limit: number): Date[] {
  const starts: number[] = []
  for (const start of startsFrom(from.getTime(), interval, offsetAt)) {
    if (start >= to.getTime() || starts.length > limit) break
    // A local midnight may come twice, and a zone may skip a day.
    if (start <= from.getTime()) starts.pop()
    if (start !== starts.at(-1)) starts.push(start)
  }
  return starts.map(start => new Date(start))
}

function* startsFrom(from: number, interval: SummaryInterval, offsetAt: OffsetAt): Generator<number> {
  if (interval === 'HOUR') {
    for (let start = hourOf(from, offsetAt); ; start = nextHour(start, offsetAt)) yield start
  }
  for (let wall = firstWall(from + offsetAt(from), interval); ; wall = nextWall(wall, interval)) yield instantOf(wall, offsetAt)
}

/** When the local hour of an instant begins: on the hour, or within it where the clock changed by less than an hour. */
function hourOf(instant: number, offsetAt: OffsetAt): number {
  const offset = offsetAt(instant)
  let start = floor(instant + offset, HOUR_MS) - offset
  while (start < instant && offsetAt(start) !== offset) start += QUARTER_MS
  return Math.min(start, instant)
}

function nextHour(start: number, offsetAt: OffsetAt): number {
  const offset = offsetAt(start)
  const end = floor(start + offset, HOUR_MS) + HOUR_MS - offset
  if (offsetAt(end) === offset) return end
  for (let quarter = start + QUARTER_MS; quarter < end; quarter += QUARTER_MS) if (offsetAt(quarter) !== offset) return quarter
  return end
}

// The functions below compute with local times as if they were UTC.

function firstWall(wall: number, interval: SummaryInterval): number {
  const day = new Date(floor(wall, DAY_MS))
  if (interval === 'WEEK') return day.getTime() - ((day.getUTCDay() + 6) % 7) * DAY_MS
  return interval === 'MONTH' ? day.setUTCDate(1) : day.getTime()
}

function nextWall(wall: number, interval: SummaryInterval): number {
  if (interval !== 'MONTH') return wall + (interval === 'WEEK' ? 7 : 1) * DAY_MS
  const month = new Date(wall)
  return month.setUTCMonth(month.getUTCMonth() + 1)
}

/** The first instant at which a local clock shows this time; if it skips it, the instant at which it would have shown it. */
function instantOf(wall: number, offsetAt: OffsetAt): number {
  const [before, after] = [offsetAt(wall - DAY_MS), offsetAt(wall + DAY_MS)]
  if (before !== after && offsetAt(wall - before) !== before && offsetAt(wall - after) === after) return wall - after
  return wall - before
}

function floor(value: number, step: number): number {
  return Math.floor(value / step) * step
}
