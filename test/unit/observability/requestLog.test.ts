import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RequestLog } from '../../../src/observability/requestLog.js'
import { SuccessSampling } from '../../../src/observability/successSampling.js'
import { randomFrom } from '../../support/random.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** What the lines of so many successes in each second stand for, second by second. */
function chosen(sampling: SuccessSampling, ...rates: readonly number[]): number[][] {
  return rates.map(rate => {
    const lines = Array.from({ length: rate }, () => sampling.next()).filter(line => line !== undefined)
    vi.advanceTimersByTime(1_000)
    return lines
  })
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

describe('the sampling of successes', () => {
  it('takes all while there are few, and again once there are few', () => {
    const [few, , , fewAgain] = chosen(new SuccessSampling(100, randomFrom(1)), 100, 5_000, 0, 100)
    expect(few).toEqual(Array(100).fill(1))
    expect(fewAgain).toEqual(Array(100).fill(1))
  })

  it('takes about as many as it may under load, and its lines stand for all', () => {
    const seconds = chosen(new SuccessSampling(100, randomFrom(2)), ...Array(30).fill(5_000)).slice(1)
    for (const lines of seconds) expect(lines.length).toBeLessThan(220)
    expect(new Set(seconds.map(([first]) => first))).toEqual(new Set([50]))
    expect(sum(seconds.flat()) / (29 * 5_000)).toBeCloseTo(1, 1)
  })

  it('bounds the lines of a sudden flood', () => {
    const [flood = []] = chosen(new SuccessSampling(100, randomFrom(3)), 100_000)
    expect(flood.length).toBeLessThan(1_200)
    expect(sum(flood) / 100_000).toBeCloseTo(1, 0)
  })

  it('takes all where it has no limit', () => {
    expect(chosen(new SuccessSampling(0), 5_000)).toEqual([Array(5_000).fill(1)])
  })
})

describe('the lines of requests', () => {
  function logOf(isDebug: boolean) {
    const lines: Record<string, unknown>[] = []
    const logger = { info: (fields: Record<string, unknown>) => lines.push(fields), isLevelEnabled: () => isDebug }
    return { lines, log: new RequestLog(logger as never, { successesPerSecond: 1, slowMs: 250 }) }
  }

  it('leave out neither failures nor slow requests', () => {
    const { lines, log } = logOf(false)
    for (let i = 0; i < 1_000; i++) {
      log.note({ ok: true, durationMs: 1 }, 'request')
      log.note({ ok: false, durationMs: 1 }, 'request')
      log.note({ ok: true, durationMs: 250 }, 'request')
    }
    expect(lines.filter(({ ok }) => !ok)).toEqual(Array(1_000).fill({ ok: false, durationMs: 1 }))
    expect(lines.filter(({ durationMs }) => durationMs === 250)).toEqual(Array(1_000).fill({ ok: true, durationMs: 250 }))
    const fast = lines.filter(({ ok, durationMs }) => ok && durationMs === 1)
    expect(fast.length).toBeLessThan(50)
    expect(fast.some(({ represents }) => Number(represents) > 1)).toBe(true)
  })

  it('are all there at debug', () => {
    const { lines, log } = logOf(true)
    for (let i = 0; i < 1_000; i++) log.note({ ok: true, durationMs: 1 }, 'request')
    expect(lines).toEqual(Array(1_000).fill({ ok: true, durationMs: 1 }))
  })
})
