import { expect, it } from 'vitest'
import { judgeConstancy } from '../../../../src/releases/admission/constancy.js'

const NOTHING_SHOWN = { warning: expect.stringMatching(/^all applications that were tried are the same/) }

it('the same answer to different applications is a problem that counts each of them once', () => {
  const applications = [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, { a: 3, b: 2 }]
  expect(judgeConstancy(applications, [0.5, 0.5, 0.5, 0.5])).toEqual({
    problem: 'it answers 0.5 to each of 3 different applications. Look for a wrong output column.',
  })
})

it('the same answer to one application shows nothing, however often it comes', () => {
  expect(judgeConstancy([{ a: 1 }], [0.5])).toEqual(NOTHING_SHOWN)
  expect(
    judgeConstancy(
      [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ],
      [0.5, 0.5],
    ),
  ).toEqual(NOTHING_SHOWN)
})

it('different answers are neither', () => {
  expect(judgeConstancy([{ a: 1 }, { a: 2 }], [0.5, 0.6])).toBeUndefined()
})
