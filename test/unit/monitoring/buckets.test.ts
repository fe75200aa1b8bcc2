import { describe, expect, it } from 'vitest'
import { bucketStarts, clockOf, type OffsetAt, type SummaryInterval } from '../../../src/monitoring/buckets.js'
import { CHANGES, localName, QUARTER_MS, ZONES } from '../../support/localTime.js'
import { present } from '../../support/process.js'
import { randomFrom } from '../../support/random.js'

const INTERVALS: SummaryInterval[] = ['HOUR', 'DAY', 'WEEK', 'MONTH']
const DAYS_AROUND: Record<SummaryInterval, number> = { HOUR: 2, DAY: 4, WEEK: 12, MONTH: 40 }

function starts(
  from: string | number,
  to: string | number,
  interval: SummaryInterval,
  timeZone: string,
  limit = 1_000,
): string[] {
  const clock: OffsetAt = present(clockOf(timeZone))
  return bucketStarts(new Date(from), new Date(to), interval, clock, limit).map(start => start.toISOString())
}

/** The same starts, found by looking at each quarter of an hour. */
function plainStarts(from: number, to: number, interval: SummaryInterval, timeZone: string): string[] {
  const nameAt = (instant: number) => localName(instant, interval, timeZone)
  let start = Math.floor(from / QUARTER_MS) * QUARTER_MS
  while (nameAt(start - QUARTER_MS) === nameAt(start)) start -= QUARTER_MS
  const found = [start]
  let before = nameAt(start)
  for (let quarter = start; quarter < to; quarter += QUARTER_MS) {
    const name = nameAt(quarter)
    if (name !== before) found.push(quarter)
    before = name
  }
  return found.map(instant => new Date(instant).toISOString())
}

describe('buckets', () => {
  it.each(ZONES)('begin with each hour, day, week and month of the local clock in %s, also when it changes, seed 1', zone => {
    const random = randomFrom(1)
    for (const change of CHANGES) {
      for (const interval of INTERVALS) {
        const span = DAYS_AROUND[interval] * 86_400_000
        const from = change - Math.floor(random() * span)
        const to = change + 86_400_000 + Math.floor(random() * span)
        expect(starts(from, to, interval, zone), `${from} ${to} ${interval}`).toEqual(plainStarts(from, to, interval, zone))
      }
    }
  })

  it('of a day have 23 or 25 hours when the clock changes', () => {
    expect(starts('2026-03-29T12:00Z', '2026-03-30T12:00Z', 'DAY', 'Europe/Madrid')).toEqual([
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ])
    expect(starts('2026-10-25T12:00Z', '2026-10-26T12:00Z', 'DAY', 'Europe/Madrid')).toEqual([
      '2026-10-24T22:00:00.000Z',
      '2026-10-25T23:00:00.000Z',
    ])
  })

  it('begin with the first instant of a day, also if it has no midnight or two', () => {
    expect(starts('2026-09-06T12:00Z', '2026-09-06T13:00Z', 'DAY', 'America/Santiago')).toEqual(['2026-09-06T04:00:00.000Z'])
    expect(starts('2026-11-01T12:00Z', '2026-11-01T13:00Z', 'DAY', 'America/Havana')).toEqual(['2026-11-01T04:00:00.000Z'])
  })

  it('leave out a day that the time zone skipped', () => {
    expect(starts('2011-12-29T12:00Z', '2011-12-31T12:00Z', 'DAY', 'Pacific/Apia')).toEqual([
      '2011-12-29T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
    ])
  })

  it('of an hour are shorter when the clock changes by half an hour', () => {
    expect(starts('2026-04-04T14:20Z', '2026-04-04T16:00Z', 'HOUR', 'Australia/Lord_Howe')).toEqual([
      '2026-04-04T14:00:00.000Z',
      '2026-04-04T15:00:00.000Z',
      '2026-04-04T15:30:00.000Z',
    ])
  })

  it('of a week begin on Monday, also over New Year', () => {
    expect(starts('2027-01-01T00:00Z', '2027-01-05T00:00Z', 'WEEK', 'UTC')).toEqual([
      '2026-12-28T00:00:00.000Z',
      '2027-01-04T00:00:00.000Z',
    ])
  })

  it('do not include one that begins where the range ends', () => {
    expect(starts('2026-01-01T00:00Z', '2026-01-02T00:00Z', 'DAY', 'UTC')).toEqual(['2026-01-01T00:00:00.000Z'])
    expect(starts('2026-01-01T00:00Z', '2026-01-02T00:00:00.001Z', 'DAY', 'UTC')).toHaveLength(2)
  })

  it.each(INTERVALS)('of %s are counted only up to one past the limit', interval => {
    for (const zone of ['UTC', 'America/Santiago']) {
      expect(starts('0000-01-01T00:00Z', '9999-12-31T23:59:59Z', interval, zone)).toHaveLength(1_001)
    }
    expect(starts('2026-01-01T00:00Z', '2026-01-11T00:00Z', 'DAY', 'UTC', 10)).toHaveLength(10)
  })
})

describe('the clock of a time zone', () => {
  it.each(['', 'Mars/Olympus', '+05:30', 'UTC+3', '<X>5', 'Europe/Madrid\u0000', 'x'.repeat(10_000), '__proto__', 'Europe'])(
    'does not exist for the invalid name %j',
    name => {
      expect(clockOf(name)).toBeUndefined()
    },
  )

  it.each([
    ['UTC', 0],
    ['europe/madrid', 3_600_000],
    ['Asia/Kathmandu', 20_700_000],
    ['America/St_Johns', -12_600_000],
    ['Etc/GMT+5', -18_000_000],
  ])('%s is ahead of UTC by %d ms in January', (name, offset) => {
    expect(clockOf(name)?.(Date.UTC(2026, 0, 15))).toBe(offset)
  })
})
