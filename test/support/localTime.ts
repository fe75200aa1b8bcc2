import type { SummaryInterval } from '../../src/monitoring/buckets.js'

export const QUARTER_MS = 900_000

/** Zones whose offsets hold half hours or quarters, or whose clocks change by half an hour, at midnight or across two days. */
export const ZONES = [
  'UTC',
  'Europe/Madrid',
  'America/Santiago',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'America/Havana',
  'America/St_Johns',
  'Africa/Cairo',
  'America/Scoresbysund',
]

/** Days on which clocks in these zones change, and New Year's Eve. */
export const CHANGES = [
  '2026-03-29',
  '2026-10-25',
  '2026-04-04',
  '2026-09-05',
  '2026-04-05',
  '2026-10-03',
  '2026-03-08',
  '2026-11-01',
  '2026-04-24',
  '2026-10-29',
  '2026-12-31',
].map(day => Date.parse(day))

const formats = new Map<string, Intl.DateTimeFormat>()

/** A text that two instants share exactly if they are in the same local hour, day, week or month. */
export function localName(instant: number, interval: SummaryInterval, timeZone: string): string {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('en-CA', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      timeZoneName: 'longOffset',
    })
  formats.set(timeZone, format)
  // Such as "2026-03-29, 14 GMT+02:00": written whole, as its parts would take several times as long.
  const text = format.format(instant)
  const day = text.slice(0, 'yyyy-mm-dd'.length)
  if (interval === 'HOUR') return text
  if (interval === 'DAY') return day
  if (interval === 'MONTH') return day.slice(0, 'yyyy-mm'.length)
  const date = new Date(day)
  // 2001 began with a Monday.
  return String(Math.floor((date.getTime() - Date.UTC(2001, 0, 1)) / (7 * 86_400_000)))
}
