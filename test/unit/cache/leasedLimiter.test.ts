import { expect, it, vi } from 'vitest'
import { LeasedLimiter } from '../../../src/cache/leasedLimiter.js'
import type { Taken } from '../../../src/server/limits/pointLimiter.js'

/** The part of Redis that the limiter uses; it answers when the test calls `answer`. */
class SharedCount {
  answers = true
  total = 0
  endsInMs = 10_000
  readonly asked: number[] = []
  #waiting: (() => void)[] = []

  async add(_digest: string, points: number) {
    this.asked.push(points)
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
    })
    this.total += points
    return this.answers ? { total: this.total, endsInMs: this.endsInMs } : undefined
  }

  async answer() {
    for (const resolve of this.#waiting.splice(0)) resolve()
    await new Promise(setImmediate)
  }
}

const now = (taken: Taken | Promise<Taken>): Taken => {
  if (taken instanceof Promise) throw new Error('It was not decided at once.')
  return taken
}

it('admits exactly the limit in a window, and says how many points are left', () => {
  const limiter = new LeasedLimiter({ limit: 5, windowSeconds: 10 })
  const taken = Array.from({ length: 7 }, () => now(limiter.take('a', 1)))
  expect(taken.map(({ isRefused }) => isRefused)).toEqual([false, false, false, false, false, true, true])
  expect(taken.map(({ remaining }) => remaining)).toEqual([4, 3, 2, 1, 0, 0, 0])
  expect(taken[0]).toEqual({ isRefused: false, limit: 5, remaining: 4, resetSeconds: 10 })
})

it('takes all points of a call, or none', () => {
  const limiter = new LeasedLimiter({ limit: 5, windowSeconds: 10 })
  now(limiter.take('a', 3))
  expect(now(limiter.take('a', 3))).toMatchObject({ isRefused: true, remaining: 2 })
  expect(now(limiter.take('a', 2))).toMatchObject({ isRefused: false, remaining: 0 })
})

it('counts each key separately', () => {
  const limiter = new LeasedLimiter({ limit: 1, windowSeconds: 10 })
  now(limiter.take('a', 1))
  expect(now(limiter.take('a', 1)).isRefused).toBe(true)
  expect(now(limiter.take('b', 1)).isRefused).toBe(false)
})

it('takes unused points back', () => {
  const limiter = new LeasedLimiter({ limit: 2, windowSeconds: 10 })
  now(limiter.take('a', 2))
  limiter.giveBack('a', 2)
  expect(now(limiter.take('a', 2)).isRefused).toBe(false)
  limiter.giveBack('unknown', 2)
})

it('begins anew when the window is over, even if the system clock is changed', () => {
  vi.useFakeTimers({ toFake: ['performance', 'Date'] })
  try {
    const limiter = new LeasedLimiter({ limit: 1, windowSeconds: 10 })
    now(limiter.take('a', 1))
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(now(limiter.take('a', 1))).toMatchObject({ isRefused: true, resetSeconds: 10 })
    vi.advanceTimersByTime(9_999)
    expect(now(limiter.take('a', 1))).toMatchObject({ isRefused: true, resetSeconds: 1 })
    vi.advanceTimersByTime(1)
    expect(now(limiter.take('a', 1)).isRefused).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})

it('leases ahead at most one block, and no more than the caller has used', async () => {
  const shared = new SharedCount()
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  now(limiter.take('a', 1))
  expect(shared.asked).toEqual([2])
  await shared.answer()
  for (let i = 0; i < 200; i++) {
    now(limiter.take('a', 1))
    await shared.answer()
  }
  expect(Math.max(...shared.asked)).toBeLessThanOrEqual(11)
  // The points that it has leased and not used.
  expect(shared.total - 201).toBeLessThanOrEqual(10)
})

it('admits at most one block ahead of Redis during a lease; the next call waits', async () => {
  const shared = new SharedCount()
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  for (let i = 0; i < 10; i++) now(limiter.take('a', 1))
  const waiting = limiter.take('a', 1)
  expect(waiting).toBeInstanceOf(Promise)
  await shared.answer()
  await expect(waiting).resolves.toMatchObject({ isRefused: false, remaining: 989 })
})

it('leases points of a small limit one by one, and so is exact', async () => {
  const shared = new SharedCount()
  const replicas = [1, 2, 3].map(() => new LeasedLimiter({ limit: 20, windowSeconds: 10, shared }))
  const taking = replicas.flatMap(limiter => Array.from({ length: 20 }, () => limiter.take('a', 1)))
  await shared.answer()
  const taken = await Promise.all(taking)
  expect(taken.filter(({ isRefused }) => !isRefused)).toHaveLength(20)
  expect(shared.asked.every(points => points === 1)).toBe(true)
})

it('refuses at once when it knows that Redis has no points left', async () => {
  const shared = new SharedCount()
  shared.total = 1_000
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  const waiting = limiter.take('a', 100)
  await shared.answer()
  await expect(waiting).resolves.toMatchObject({ isRefused: true, remaining: 0 })
  expect(now(limiter.take('a', 1)).isRefused).toBe(true)
  expect(shared.asked).toEqual([110])
})

it('decides alone while Redis is away, adds its points when Redis is back, and keeps the limit through a flush', async () => {
  const shared = new SharedCount()
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  shared.answers = false
  for (let i = 0; i < 400; i++) expect(now(limiter.take('a', 1)).isRefused).toBe(false)
  expect(shared.asked).toEqual([])
  shared.answers = true
  const back = limiter.take('a', 1)
  await shared.answer()
  await expect(back).resolves.toMatchObject({ isRefused: false, remaining: 599 })
  expect(shared.total).toBeGreaterThanOrEqual(401)
  let admitted = 401
  for (let i = 0; i < 2_000; i++) {
    // Redis is flushed before each call.
    shared.total = 0
    const taking = limiter.take('a', 1)
    await shared.answer()
    if (!(await taking).isRefused) admitted++
  }
  expect(admitted).toBe(1_000)
})

it('adds the points admitted during a lease to Redis even if no further call comes', async () => {
  const shared = new SharedCount()
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  for (let i = 0; i < 10; i++) now(limiter.take('a', 1))
  await shared.answer()
  await shared.answer()
  expect(shared.total).toBeGreaterThanOrEqual(10)
})

it('admits a call whose lease Redis fails to answer', async () => {
  const shared = new SharedCount()
  const limiter = new LeasedLimiter({ limit: 50, windowSeconds: 10, shared })
  const waiting = limiter.take('a', 1)
  shared.answers = false
  await shared.answer()
  await expect(waiting).resolves.toMatchObject({ isRefused: false, remaining: 49 })
})

it('adopts the end of the window that the replicas share', async () => {
  const shared = new SharedCount()
  shared.endsInMs = 2_500
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  now(limiter.take('a', 1))
  await shared.answer()
  expect(now(limiter.take('a', 1)).resetSeconds).toBe(3)
})

it('keeps the end of its window when Redis has forgotten it', async () => {
  const shared = new SharedCount()
  shared.endsInMs = 2_000
  const limiter = new LeasedLimiter({ limit: 1_000, windowSeconds: 10, shared })
  now(limiter.take('a', 1))
  await shared.answer()
  shared.endsInMs = 10_000
  const waiting = limiter.take('a', 500)
  await shared.answer()
  expect((await waiting).resetSeconds).toBeLessThanOrEqual(2)
})

it('remembers a bounded number of keys, and keeps those that still call', () => {
  const limiter = new LeasedLimiter({ limit: 100, windowSeconds: 60 })
  for (let i = 0; i < 100_000; i++) {
    now(limiter.take(`address-${i}`, 1))
    if (i % 10_000 === 0) now(limiter.take('steady', 1))
  }
  expect(limiter.size).toBeLessThanOrEqual(50_000)
  expect(now(limiter.take('steady', 1)).remaining).toBe(89)
})
