import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Interruption } from '../../../../src/commands/export/interruption.js'

describe('an Interruption', () => {
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
})
