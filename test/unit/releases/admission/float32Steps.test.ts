import { expect, it } from 'vitest'
import { oneStepAway } from '../../../../src/releases/admission/float32Steps.js'

it('each number of an application moves by one float32 step, up and down, and nothing else does', () => {
  const steps = oneStepAway({ amount: 1, debt: -1, zero: 0, home: 'rent', records: true })
  expect(steps).toHaveLength(6)
  expect(steps.map(({ amount, debt, zero }) => [amount, debt, zero])).toEqual([
    [1 + 2 ** -23, -1, 0],
    [1 - 2 ** -24, -1, 0],
    [1, -1 + 2 ** -24, 0],
    [1, -1 - 2 ** -23, 0],
    [1, -1, 2 ** -149],
    [1, -1, -(2 ** -149)],
  ])
})
