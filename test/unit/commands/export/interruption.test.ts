import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Interruption } from '../../../../src/commands/export/interruption.js'

describe('Interruption', () => {
  it('keeps nothing of the work that it has waited for', async () => {
    setFlagsFromString('--expose_gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const interruption = new Interruption()
    const outcomes: WeakRef<object>[] = []
    for (let i = 0; i < 100; i++) {
      outcomes.push(new WeakRef(await interruption.orDone(Promise.resolve({ page: i }))))
    }
    // A WeakRef holds until the end of the turn that made it.
    await new Promise(setImmediate)
    collectGarbage()
    expect(outcomes.filter(outcome => outcome.deref() !== undefined).length).toBeLessThan(10)
  })
})
