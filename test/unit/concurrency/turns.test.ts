import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/concurrency/turns.js'

const LIMIT = { longestWaitMs: 20, tooLong: () => new Error('too long') }

/** Work that ends when the test calls `end`. */
function openWork() {
  let end = () => {}
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  return { run: () => ended, end: () => end() }
}

describe('turns', () => {
  it('run one at a time, in the order of the calls, also a call that comes just as one ends', async () => {
    const turns = new Turns(1)
    const log: string[] = []
    let running = 0
    const work = (name: string) => async () => {
      expect(++running).toBe(1)
      await new Promise(setImmediate)
      running--
      log.push(name)
    }
    const first = turns.run(work('a'))
    const second = turns.run(work('b'))
    await first.then(() => turns.run(work('c')))
    await second
    expect(log).toEqual(['a', 'b', 'c'])
  })

  it('run as many at once as the limit allows', async () => {
    const turns = new Turns(2)
    const [first, second] = [openWork(), openWork()]
    const running = [turns.run(first.run), turns.run(second.run)]
    let begun = false
    const third = turns.run(async () => {
      begun = true
    })
    await new Promise(setImmediate)
    expect(begun).toBe(false)
    second.end()
    await third
    first.end()
    await Promise.all(running)
  })

  it('go on after work that fails', async () => {
    const turns = new Turns(1)
    const failed = turns.run(() => Promise.reject(new Error('broken')))
    const next = turns.run(async () => 'done')
    await expect(failed).rejects.toThrow('broken')
    expect(await next).toBe('done')
  })

  it('wait no longer than the limit, and work that timed out never begins', async () => {
    const turns = new Turns(1)
    const open = openWork()
    const first = turns.run(open.run)
    let begun = false
    const second = turns.run(async () => {
      begun = true
    }, LIMIT)
    await expect(second).rejects.toThrow('too long')
    open.end()
    await first
    expect(begun).toBe(false)
    expect(await turns.run(async () => 'next')).toBe('next')
  })

  it('can all be given up while they wait, and later calls still run', async () => {
    const turns = new Turns(1)
    const open = openWork()
    const first = turns.run(open.run)
    const waiting = [1, 2].map(() => turns.run(async () => {}))
    turns.giveUp(new Error('the store is away'))
    for (const one of waiting) await expect(one).rejects.toThrow('the store is away')
    open.end()
    await first
    expect(await turns.run(async () => 'later')).toBe('later')
  })
})
