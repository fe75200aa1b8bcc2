import { describe, expect, it } from 'vitest'
import { contractSchema } from '../../../src/scoring/contract.js'
import { checkFeatures, type RawFeatures } from '../../../src/scoring/features.js'
import { contract, contractJson } from '../support/domain.js'

const GOOD = { amount: 10, flag: true }
const CANARY = 'canary-7391'

function messagesOf(raw: RawFeatures): string[] {
  const checked = checkFeatures(raw, contract)
  return 'problems' in checked ? checked.problems.map(({ message }) => message) : []
}

describe('features', () => {
  it('within their ranges and categories become values, in the order of the contract', () => {
    const checked = checkFeatures({ grade: 'C', flag: false, open: -1e30, count: 100, amount: 1 }, contract)
    expect(JSON.stringify(checked)).toBe('{"values":{"amount":1,"count":100,"open":-1e+30,"flag":false,"grade":"C"}}')
  })

  it('that are optional, and absent or null, have no value', () => {
    expect(checkFeatures({ ...GOOD, count: null, open: undefined }, contract)).toEqual({ values: GOOD })
  })

  it('that are categories in another spelling get that of the contract, as for golden rows in a file', () => {
    const json = contractJson()
    Object.assign(json.features.at(-1) as object, { categories: ['Espa\u00f1a'] })
    const checked = checkFeatures({ ...GOOD, grade: 'Espan\u0303a' }, contractSchema.parse(json))
    expect(checked).toEqual({ values: { ...GOOD, grade: 'Espa\u00f1a' } })
  })

  it('that the contract does not know are left out', () => {
    expect(checkFeatures({ ...GOOD, other: 1 }, contract)).toEqual({ values: GOOD })
  })

  it.each<[string, RawFeatures, string]>([
    ['missing', { amount: undefined }, 'amount is required.'],
    ['null', { flag: null }, 'flag is required.'],
    ['of an unknown category', { grade: CANARY }, 'grade must be one of: A, B, C.'],
    ['of a category in another case', { grade: 'a' }, 'grade must be one of: A, B, C.'],
    ['a number for a category', { grade: 1 }, 'grade must be one of: A, B, C.'],
    ['below the minimum', { amount: 0.999 }, 'amount must be at least 1.'],
    ['above the maximum', { amount: 1_000.001 }, 'amount must be at most 1000.'],
    ['Infinity (parsed from 1e400)', { amount: Number.POSITIVE_INFINITY }, 'amount must be a finite number.'],
    ['minus Infinity', { open: Number.NEGATIVE_INFINITY }, 'open must be a finite number.'],
    ['NaN', { open: Number.NaN }, 'open must be a finite number.'],
    ['larger than float32 holds', { open: 1e39 }, 'open is too large for a 32-bit number.'],
    ['rounded up to Infinity in float32', { open: -3.4028235677973366e38 }, 'open is too large for a 32-bit number.'],
    ['not whole', { count: 1.5 }, 'count must be a whole number.'],
    ['a text for a number', { amount: '10' }, 'amount must be a finite number.'],
    ['a list for a number', { amount: [10] }, 'amount must be a finite number.'],
    ['a Boolean for a number', { count: true }, 'count must be a finite number.'],
    ['a number for a Boolean', { flag: 1 }, 'flag must be true or false.'],
    ['a text for a Boolean', { flag: 'true' }, 'flag must be true or false.'],
  ])('that are %s are refused', (_what, change, message) => {
    expect(messagesOf({ ...GOOD, ...change })).toEqual([message])
  })

  it('may be the largest float32, or exactly at the ends of their ranges', () => {
    expect(messagesOf({ ...GOOD, open: 3.4028234663852886e38, amount: 1_000, count: 0 })).toEqual([])
    expect(messagesOf({ ...GOOD, amount: 1, count: -0 })).toEqual([])
  })

  it('report every mistake at once, each with its path and code', () => {
    const checked = checkFeatures({ amount: -1, count: 0.5, open: Number.NaN, grade: 'Z' }, contract)
    if (!('problems' in checked)) throw new Error('They were accepted.')
    expect(checked.problems.map(({ path }) => path)).toEqual(
      ['amount', 'count', 'open', 'flag', 'grade'].map(name => ['features', 'testModel', name]),
    )
    expect(new Set(checked.problems.map(({ code }) => code))).toEqual(new Set(['BAD_USER_INPUT']))
  })

  it('are never repeated in a message', () => {
    const wrong = [CANARY, [CANARY], { [CANARY]: CANARY }, 73_917_391, -73_917_391.5, 7.3917391e40]
    for (const value of wrong) {
      const raw = Object.fromEntries(contract.features.map(({ name }) => [name, value]))
      const shown = JSON.stringify(checkFeatures(raw, contract))
      expect(shown).toContain('problems')
      expect(shown).not.toMatch(/canary|7391/)
    }
  })
})
