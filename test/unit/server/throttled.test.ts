import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { throttled } from '../../../src/server/health.js'

it('many questions at once are asked once, and asked again a little later even if that failed', async () => {
  let asked = 0
  const ask = throttled(async () => {
    asked++
    await sleep(5)
    if (asked === 1) throw new Error('away')
    return asked
  })
  const answers = await Promise.allSettled(Array.from({ length: 100 }, ask))
  expect(asked).toBe(1)
  expect(answers.every(({ status }) => status === 'rejected')).toBe(true)
  await sleep(150)
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2])
  expect(await ask()).toBe(2)
})
