import { expect, it } from 'vitest'
import { AppError } from '../../../../src/errors.js'
import { keepUp } from '../../../../src/storage/postgres/upkeep.js'

const unavailable = new AppError('SERVICE_UNAVAILABLE', 'The store is not available.')

/** Runs a task once for each of these outcomes and answers what was told of it, each by the number of the run. */
async function toldOf(outcomes: readonly (Error | undefined)[]): Promise<number[]> {
  const told: number[] = []
  let runs = 0
  let stop = async () => {}
  await new Promise<void>(resolve => {
    const run = async () => {
      const outcome = outcomes[runs++]
      if (runs > outcomes.length) return resolve()
      if (outcome) throw outcome
    }
    stop = keepUp([{ name: 'task', everyMs: 1, run }], () => told.push(runs))
  })
  await stop()
  return told
}

it('tells of a task that fails once, until it works again', async () => {
  const broken = new Error('broken')
  expect(await toldOf([broken, broken, broken, undefined, broken, undefined, undefined, broken])).toEqual([1, 5, 8])
})

it('tells nothing of a store that is away for a moment', async () => {
  expect(
    await toldOf([
      unavailable,
      Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
      new Error('broken'),
      unavailable,
      new Error('broken'),
    ]),
  ).toEqual([3])
})

it('tells once of a task that fails three times in a row, whatever the reason, until it works again', async () => {
  const outcomes = [unavailable, unavailable, undefined, unavailable, unavailable, unavailable, unavailable]
  expect(await toldOf([...outcomes, undefined, unavailable, unavailable, unavailable])).toEqual([6, 11])
})

it('ends what is running, and waits for it', async () => {
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
    const end = keepUp([{ name: 'task', everyMs: 1, run }], () => {})
  })
  await stop()
  expect(ended).toEqual(['task'])
})
