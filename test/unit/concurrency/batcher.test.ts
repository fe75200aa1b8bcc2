import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Batcher } from '../../../src/concurrency/batcher.js'

const TIMERS: Parameters<typeof vi.useFakeTimers>[0] = { toFake: ['setTimeout', 'clearTimeout', 'performance'] }
const WAIT_LIMIT = { longestWaitMs: 1_000, tooLong: () => new Error('too long') }

type Answers = readonly (string | Error)[]

/** A run whose groups are answered by the test. */
function heldRun() {
  const groups: { items: readonly number[]; answer: (answers?: Answers) => void; fail: (error: unknown) => void }[] = []
  const run = (items: readonly number[]) =>
    new Promise<Answers>((resolve, reject) => {
      groups.push({ items, answer: (answers = items.map(item => `done ${item}`)) => resolve(answers), fail: reject })
    })
  return { groups, run, itemsOfGroups: () => groups.map(({ items }) => items) }
}

describe('the batcher', () => {
  afterEach(() => void vi.useRealTimers())

  it('joins items that arrive together into one run, in order', async () => {
    const { groups, run, itemsOfGroups } = heldRun()
    const batcher = new Batcher(run, { maxItems: 10, maxRunning: 1 })
    const answers = Promise.all([1, 2, 3].map(item => batcher.submit(item)))
    expect(batcher.queued).toBe(3)
    await nextTurn()
    expect(itemsOfGroups()).toEqual([[1, 2, 3]])
    expect(batcher.queued).toBe(0)
    groups[0]?.answer()
    expect(await answers).toEqual(['done 1', 'done 2', 'done 3'])
  })

  it('collects items that arrive during a run, and runs them next', async () => {
    const { groups, run, itemsOfGroups } = heldRun()
    const batcher = new Batcher(run, { maxItems: 10, maxRunning: 1 })
    const first = batcher.submit(1)
    await nextTurn()
    const later = [batcher.submit(2), batcher.submit(3)]
    await nextTurn()
    expect(itemsOfGroups()).toEqual([[1]])
    expect(batcher.queued).toBe(2)
    groups[0]?.answer()
    await first
    await nextTurn()
    expect(itemsOfGroups()).toEqual([[1], [2, 3]])
    groups[1]?.answer()
    expect(await Promise.all(later)).toEqual(['done 2', 'done 3'])
  })

  it('runs at most maxItems in a group, and at most maxRunning groups at a time', async () => {
    const { groups, run, itemsOfGroups } = heldRun()
    const batcher = new Batcher(run, { maxItems: 2, maxRunning: 2 })
    const answers = [1, 2, 3, 4, 5, 6, 7].map(item => batcher.submit(item))
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    expect(itemsOfGroups()).toEqual([
      [1, 2],
      [3, 4],
    ])
    groups[1]?.answer()
    await answers[3]
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    expect(itemsOfGroups()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ])
    groups[0]?.answer()
    groups[2]?.answer()
    await answers[5]
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    groups[3]?.answer()
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, 7].map(item => `done ${item}`))
  })

  it('fails only the item whose answer is an Error', async () => {
    const batcher = new Batcher<number, string>(
      async items => items.map(item => (item === 2 ? new Error('bad row') : `done ${item}`)),
      { maxItems: 10, maxRunning: 1 },
    )
    const settled = await Promise.allSettled([1, 2, 3].map(item => batcher.submit(item)))
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(settled[1]).toMatchObject({ reason: { message: 'bad row' } })
  })

  it('fails all items of a group whose run throws, at once or later, and none of the next group', async () => {
    const { groups, run } = heldRun()
    let isFirst = true
    const batcher = new Batcher<number, string>(
      items => {
        if (!isFirst) return run(items)
        isFirst = false
        throw new Error('no run at all')
      },
      { maxItems: 2, maxRunning: 1 },
    )
    const settling = Promise.allSettled([1, 2, 3, 4, 5, 6].map(item => batcher.submit(item)))
    while (groups.length < 1) await nextTurn()
    groups[0]?.fail(new Error('the run failed'))
    while (groups.length < 2) await nextTurn()
    groups[1]?.answer()
    const settled = await settling
    expect(settled.map(result => (result.status === 'fulfilled' ? result.value : (result.reason as Error).message))).toEqual([
      'no run at all',
      'no run at all',
      'the run failed',
      'the run failed',
      'done 5',
      'done 6',
    ])
  })

  it('fails an item that a run left unanswered', async () => {
    const batcher = new Batcher<number, string>(async items => [`done ${items[0]}`], { maxItems: 10, maxRunning: 1 })
    const settled = await Promise.allSettled([batcher.submit(1), batcher.submit(2)])
    expect(settled[0]).toEqual({ status: 'fulfilled', value: 'done 1' })
    expect(settled[1]).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('unanswered') } })
  })

  it('gives up an item that waits too long behind runs that hang, and runs the items that came later', async () => {
    vi.useFakeTimers(TIMERS)
    const { groups, run, itemsOfGroups } = heldRun()
    const batcher = new Batcher(run, { maxItems: 1, maxRunning: 1, waitLimit: WAIT_LIMIT })
    const hanging = batcher.submit(1)
    await nextTurn()
    const waiting = [batcher.submit(2), batcher.submit(3)]
    const refused = Promise.all(waiting.map(item => expect(item).rejects.toThrow('too long')))
    await vi.advanceTimersByTimeAsync(999)
    expect(batcher.queued).toBe(2)
    const later = batcher.submit(4)
    await vi.advanceTimersByTimeAsync(1)
    await refused
    expect(batcher.queued).toBe(1)
    groups[0]?.answer()
    // A run has no deadline here: its own item is answered, however late.
    expect(await hanging).toBe('done 1')
    await nextTurn()
    expect(itemsOfGroups()).toEqual([[1], [4]])
    const behind = expect(batcher.submit(5)).rejects.toThrow('too long')
    await vi.advanceTimersByTimeAsync(1_000)
    await behind
    groups[1]?.answer()
    expect(await later).toBe('done 4')
  })

  it('leaves no timer behind once nothing waits', async () => {
    vi.useFakeTimers(TIMERS)
    const { groups, run } = heldRun()
    const batcher = new Batcher(run, { maxItems: 1, maxRunning: 1, waitLimit: WAIT_LIMIT })
    const [hanging, given] = [batcher.submit(1), batcher.submit(2)]
    await nextTurn()
    expect(vi.getTimerCount()).toBe(1)
    batcher.giveUp(new Error('given up'))
    await expect(given).rejects.toThrow('given up')
    expect(vi.getTimerCount()).toBe(0)
    groups[0]?.answer()
    await hanging
    const alone = batcher.submit(3)
    await nextTurn()
    expect(vi.getTimerCount()).toBe(0)
    groups[1]?.answer()
    await alone
  })

  it('accepts 0, false and null as answers', async () => {
    const batcher = new Batcher<unknown, unknown>(async items => items as (0 | false | null)[], { maxItems: 10, maxRunning: 1 })
    expect(await Promise.all([batcher.submit(0), batcher.submit(false), batcher.submit(null)])).toEqual([0, false, null])
  })

  it('is idle once nothing waits and nothing runs', async () => {
    const { groups, run } = heldRun()
    const batcher = new Batcher(run, { maxItems: 1, maxRunning: 1 })
    await batcher.idle()
    const events: string[] = []
    const answers = [1, 2].map(item => batcher.submit(item).catch(() => 'failed'))
    const idle = batcher.idle().then(() => events.push('idle'))
    await nextTurn()
    groups[0]?.fail(new Error('broken'))
    await answers[0]
    await nextTurn()
    expect(events).toEqual([])
    void batcher.idle().then(() => events.push('idle while the last one ran'))
    await nextTurn()
    expect(events).toEqual([])
    groups[1]?.answer()
    await idle
    expect(await Promise.all(answers)).toEqual(['failed', 'done 2'])
  })

  it('is idle when all that waited was given up', async () => {
    const { run } = heldRun()
    const batcher = new Batcher(run, { maxItems: 1, maxRunning: 1 })
    const given = batcher.submit(1)
    const idle = batcher.idle()
    batcher.giveUp(new Error('given up'))
    await expect(given).rejects.toThrow('given up')
    await idle
  })
})
