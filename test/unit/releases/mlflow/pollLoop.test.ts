import { describe, expect, it } from 'vitest'
import { PollLoop } from '../../../../src/releases/mlflow/pollLoop.js'

const AN_HOUR = 3_600_000

/** Work that ends when it is told to. */
function controlledWork() {
  const running: (() => void)[] = []
  let started = 0
  let waiting: (() => void) | undefined
  return {
    work: () => {
      started++
      waiting?.()
      return new Promise<void>(resolve => running.push(resolve))
    },
    finish: () => running.shift()?.(),
    get running() {
      return running.length
    },
    /** Ends when the work has been begun for the nth time. */
    async begun(times: number) {
      while (started < times) await new Promise<void>(resolve => (waiting = resolve))
    },
    get started() {
      return started
    },
  }
}

describe('a poll loop', () => {
  it('works at the start, and again after each pause', async () => {
    const control = controlledWork()
    const loop = new PollLoop(control.work, 1)
    const first = loop.start()
    control.finish()
    await first
    for (const times of [2, 3, 4]) {
      await control.begun(times)
      expect(control.running).toBe(1)
      control.finish()
    }
    const stopped = loop.stop()
    control.finish()
    await stopped
  })

  it('works once at a time, and once more for all hints that came meanwhile', async () => {
    const control = controlledWork()
    const loop = new PollLoop(control.work, AN_HOUR)
    const first = loop.start()
    const poked = [loop.poke(), loop.poke(), loop.poke()]
    expect(control.started).toBe(1)
    control.finish()
    await first
    await control.begun(2)
    // It may be too late for what is just being done.
    const late = loop.poke()
    control.finish()
    await Promise.all(poked)
    await control.begun(3)
    control.finish()
    await late
    expect(control.started).toBe(3)
    await loop.stop()
  })

  it('works once for hints that come shortly after each other', async () => {
    let times = 0
    const loop = new PollLoop(async () => void times++, AN_HOUR)
    await loop.start()
    const first = loop.poke()
    await new Promise(resolve => setImmediate(resolve))
    await Promise.all([first, loop.poke()])
    expect(times).toBe(2)
    await loop.stop()
  })

  it('ends at once in its pause, and with the work in hand', async () => {
    const idle = new PollLoop(async () => {}, AN_HOUR)
    await idle.start()
    await idle.stop()
    const ends: boolean[] = []
    const busy = new PollLoop(
      end =>
        new Promise(resolve =>
          end.addEventListener('abort', () => {
            ends.push(end.aborted)
            resolve()
          }),
        ),
      AN_HOUR,
    )
    const first = busy.start()
    await busy.stop()
    await first
    expect(ends).toEqual([true])
  })

  it('begins nothing after its end, and leaves nobody waiting', async () => {
    let times = 0
    const loop = new PollLoop(async () => void times++, AN_HOUR)
    await loop.start()
    const poked = loop.poke()
    await loop.stop()
    await poked
    await loop.stop()
    expect(times).toBe(1)
  })
})
