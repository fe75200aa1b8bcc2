import { expect, it } from 'vitest'
import { AppError } from '../../src/errors.js'
import { keepUp } from '../../src/storage/upkeep.js'

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

it('tells nothing of a store that is away', async () => {
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
