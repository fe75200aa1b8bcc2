import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { onExpiry } from '../../../src/auth/onExpiry.js'

const DAY_MS = 86_400_000

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it.each([1, 30_000, 24 * DAY_MS, 25 * DAY_MS, 100 * DAY_MS])('calls back once, and not earlier than in %d ms', async delay => {
  const expired = vi.fn()
  onExpiry(Date.now() + delay, expired)
  await vi.advanceTimersByTimeAsync(delay - 1)
  expect(expired).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(2)
  expect(expired).toHaveBeenCalledOnce()
  expect(vi.getTimerCount()).toBe(0)
})

it('calls back for an instant in the past', async () => {
  const expired = vi.fn()
  onExpiry(Date.now() - DAY_MS, expired)
  await vi.advanceTimersByTimeAsync(1)
  expect(expired).toHaveBeenCalledOnce()
})

it('wakes rarely even for the last instant that a Date can hold', async () => {
  const expired = vi.fn()
  onExpiry(8.64e15, expired)
  await vi.advanceTimersByTimeAsync(100 * DAY_MS)
  expect(expired).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(1)
})

it.each([DAY_MS, 100 * DAY_MS])('leaves no timer behind when it is cancelled %d ms before the instant', async delay => {
  const expired = vi.fn()
  const callOff = onExpiry(Date.now() + delay, expired)
  await vi.advanceTimersByTimeAsync(delay / 2)
  callOff()
  expect(vi.getTimerCount()).toBe(0)
  await vi.advanceTimersByTimeAsync(delay)
  expect(expired).not.toHaveBeenCalled()
})
