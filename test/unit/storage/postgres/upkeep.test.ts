import { expect, it, vi } from 'vitest'
import { AppError } from '../../../../src/errors.js'
import { keepUp } from '../../../../src/storage/postgres/upkeep.js'

const unavailable = new AppError('SERVICE_UNAVAILABLE', 'The store is not available.')

/** Runs a task once with each of these results; returns the numbers of the runs whose failure was reported. */
async function reportedRuns(results: readonly (Error | undefined)[]): Promise<number[]> {
  const reported: number[] = []
  let runs = 0
  let stop = async () => {}
  await new Promise<void>(resolve => {
    const run = async () => {
      const result = results[runs++]
      if (runs > results.length) return resolve()
      if (result) throw result
    }
    stop = keepUp([{ name: 'task', everyMs: 1, run }], {
      ended: () => {},
      failed: () => reported.push(runs),
      isClockRight: () => true,
    })
  })
  await stop()
  return reported
}

it('reports a failing task once, and again only after a run that worked', async () => {
  const broken = new Error('broken')
  expect(await reportedRuns([broken, broken, broken, undefined, broken, undefined, undefined, broken])).toEqual([1, 5, 8])
})

it('does not report a database that is away for a moment', async () => {
  expect(
    await reportedRuns([
      unavailable,
      Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
      new Error('broken'),
      unavailable,
      new Error('broken'),
    ]),
  ).toEqual([3])
})

it('reports a task that fails three times in a row, for any reason, once until a run works', async () => {
  const results = [unavailable, unavailable, undefined, unavailable, unavailable, unavailable, unavailable]
  expect(await reportedRuns([...results, undefined, unavailable, unavailable, unavailable])).toEqual([6, 11])
})

it('aborts a running task when it stops, and waits for it', async () => {
  const ended: string[] = []
  const stop = await new Promise<() => Promise<void>>(resolve => {
    const run = (signal: AbortSignal) =>
      new Promise<void>(done => {
        signal.addEventListener('abort', () =>
          setImmediate(() => {
            ended.push('task')
            done()
          }),
        )
        resolve(end)
      })
    const end = keepUp([{ name: 'task', everyMs: 1, run }], { ended: () => {}, failed: () => {}, isClockRight: () => true })
  })
  await stop()
  expect(ended).toEqual(['task'])
})

it('leaves the tasks undone while the clock is wrong, apart from those that run with any clock', async () => {
  vi.useFakeTimers()
  const ran: string[] = []
  let isClockRight = false
  const task = (name: string) => ({ name, everyMs: 1_000, run: async () => void ran.push(name) })
  const stop = keepUp([task('retention'), { ...task('revoked keys'), withAnyClock: true }], {
    ended: () => {},
    failed: () => {},
    isClockRight: () => isClockRight,
  })
  await vi.advanceTimersByTimeAsync(2_000)
  expect(ran).toEqual(['revoked keys', 'revoked keys'])
  isClockRight = true
  await vi.advanceTimersByTimeAsync(1_000)
  expect(ran).toEqual(['revoked keys', 'revoked keys', 'retention', 'revoked keys'])
  await stop()
  vi.useRealTimers()
})
