import { describe, expect, it } from 'vitest'
import { spansOf } from '../../../../src/storage/statistics/rollupSpans.js'

const spans = (from: string, to: string) =>
  [...spansOf(Date.parse(from), Date.parse(to))].map(span => [
    span.minutes,
    new Date(span.from).toISOString().slice(5, 16),
    new Date(span.to).toISOString().slice(5, 16),
  ])

describe('the spans of a time range', () => {
  it('are the longest that fit, without gaps or overlaps', () => {
    expect(spans('2026-01-01T22:45Z', '2026-01-05T01:30Z')).toEqual([
      [15, '01-01T22:45', '01-01T23:00'],
      [60, '01-01T23:00', '01-02T00:00'],
      [1_440, '01-02T00:00', '01-05T00:00'],
      [60, '01-05T00:00', '01-05T01:00'],
      [15, '01-05T01:00', '01-05T01:30'],
    ])
  })

  it('are a single span if the range is whole, also one of hours', () => {
    expect(spans('2026-01-01T00:00Z', '2026-01-08T00:00Z')).toEqual([[1_440, '01-01T00:00', '01-08T00:00']])
    expect(spans('2026-01-01T12:00Z', '2026-01-02T11:00Z')).toEqual([[60, '01-01T12:00', '01-02T11:00']])
    expect(spans('2026-01-01T12:30Z', '2026-01-01T13:15Z')).toEqual([[15, '01-01T12:30', '01-01T13:15']])
  })

  it('are none if the range is empty, or ends before it begins', () => {
    expect(spans('2026-01-01T12:30Z', '2026-01-01T12:30Z')).toEqual([])
    expect(spans('2026-01-02T00:00Z', '2026-01-01T00:00Z')).toEqual([])
  })
})
