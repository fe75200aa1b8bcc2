import { describe, expect, it } from 'vitest'
import { retryAfterSeconds } from '../../../src/webhooks/retryAfter.js'

const NOW = Date.UTC(2026, 10, 30, 18, 0, 0)
const asked = (...lines: string[]) => retryAfterSeconds({ 'retry-after': lines }, NOW)

describe('Retry-After', () => {
  it.each<[string, string[], number | undefined]>([
    ['seconds', ['120'], 120],
    ['seconds with spaces', [' 7 '], 7],
    ['a fraction, rounded up', ['1.2'], 2],
    ['an absurd number, which the courier caps', ['99999999999999999999'], 1e20],
    ['the preferred date', ['Mon, 30 Nov 2026 18:01:30 GMT'], 90],
    ['the date of RFC 850', ['Monday, 30-Nov-26 18:01:30 GMT'], 90],
    ['the date of asctime', ['Mon Nov 30 18:01:30 2026'], 90],
    ['the date of asctime with one digit', ['Tue Dec  1 18:00:00 2026'], 86_400],
    ['several lines: the longest', ['5', '30', 'soon'], 30],
    ['nothing', [], undefined],
    ['an empty line', [''], undefined],
    ['zero', ['0'], undefined],
    ['a negative number', ['-5'], undefined],
    ['a number with a sign', ['+5'], undefined],
    ['a power of ten', ['1e9'], undefined],
    ['hexadecimal', ['0x10'], undefined],
    ['infinity', ['Infinity'], undefined],
    ['a unit', ['5s'], undefined],
    ['a list', ['5, 30'], undefined],
    ['a date that has passed', ['Mon, 30 Nov 2026 17:59:59 GMT'], undefined],
    ['a year of two digits in the last century', ['Sunday, 06-Nov-94 08:49:37 GMT'], undefined],
    ['another form of a date', ['2026-11-30T18:01:30Z'], undefined],
    ['a month that is none', ['Mon, 30 Foo 2026 18:01:30 GMT'], undefined],
    ['twenty thousand characters', ['1'.repeat(20_000)], undefined],
  ])('is read: %s', (_what, lines, seconds) => {
    expect(asked(...lines)).toBe(seconds)
  })

  it('is compared with the clock of the endpoint, where it tells that', () => {
    const headers = { 'retry-after': ['Mon, 30 Nov 2026 10:01:00 GMT'], date: ['Mon, 30 Nov 2026 10:00:00 GMT'] }
    expect(retryAfterSeconds(headers, NOW)).toBe(60)
  })
})
