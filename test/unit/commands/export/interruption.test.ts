import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Interruption } from '../../../../src/commands/export/interruption.js'

describe('an Interruption', () => {
  afterEach(() => void vi.useRealTimers())

  it('keeps no reference to the results it has waited for', async () => {
    setFlagsFromString('--expose_gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const interruption = new Interruption()
    const results: WeakRef<object>[] = []
    for (let i = 0; i < 100; i++) {
      results.push(new WeakRef(await interruption.orDone(Promise.resolve({ page: i }))))
    }
    // A WeakRef keeps its object until the end of the turn that made it.
    await new Promise(setImmediate)
    collectGarbage()
    expect(results.filter(result => result.deref() !== undefined).length).toBeLessThan(10)
  })

  it('ends work that begins long after its signal, such as the wait for the reader of a pipe', async () => {
    vi.useFakeTimers()
    const others = process.listeners('SIGTERM')
    const interruption = new Interruption()
    const [react] = process.listeners('SIGTERM').filter(listener => !others.includes(listener))
    react?.('SIGTERM')
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(interruption.orDone(new Promise(() => {}))).rejects.toThrow('interrupted')
    expect(interruption.exitCode).toBe(143)
  })
})
