import { vi } from 'vitest'
import { LeasedLimiter } from '../../src/cache/leasedLimiter.js'

/** Counts the calls of gateways in this process whose points wait for a command of Redis. */
export function watchWaits() {
  const take = LeasedLimiter.prototype.take
  let waits = 0
  const spy = vi.spyOn(LeasedLimiter.prototype, 'take').mockImplementation(function (this: LeasedLimiter, key, points) {
    const taken = take.call(this, key, points)
    if (taken instanceof Promise) waits++
    return taken
  })
  return {
    get count() {
      return waits
    },
    [Symbol.dispose]: () => spy.mockRestore(),
  }
}
