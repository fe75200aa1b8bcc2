import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RefusalLog } from '../../../src/observability/refusalLog.js'

let lines: unknown[]
let log: RefusalLog
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
  lines = []
  log = new RefusalLog({ info: (fields: unknown) => lines.push(fields) } as never)
})
afterEach(() => {
  vi.useRealTimers()
})

const refusal = (code: string, requestId = 'r-1', principal?: string) => ({ requestId, code, principal })

it('writes one line a second about rate limits, and says how many refusals each stands for', () => {
  for (let i = 0; i < 10_000; i++) log.note(refusal('RATE_LIMITED', `${i}`), 'request refused')
  expect(lines).toEqual([refusal('RATE_LIMITED', '0')])
  vi.advanceTimersByTime(1_000)
  log.note(refusal('RATE_LIMITED', 'next'), 'request refused')
  expect(lines.slice(1)).toEqual([{ ...refusal('RATE_LIMITED', 'next'), represents: 10_000 }])
})

it('writes a bounded number of lines for every other code, and counts each code separately', () => {
  for (let i = 0; i < 1_000; i++) log.note(refusal('UNAUTHENTICATED'), 'request refused')
  log.note(refusal('NOT_FOUND'), 'request refused')
  expect(lines).toHaveLength(51)
})

it('writes every line about a known caller', () => {
  for (let i = 0; i < 1_000; i++) log.note(refusal('RATE_LIMITED', `${i}`, 'client'), 'request refused')
  expect(lines).toHaveLength(1_000)
})
