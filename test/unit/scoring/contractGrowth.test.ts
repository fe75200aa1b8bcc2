import { describe, expect, it } from 'vitest'
import { contractSchema } from '../../../src/scoring/contract.js'
import { growthProblems } from '../../../src/scoring/contractGrowth.js'

const income = { name: 'income', kind: 'NUMBER', required: true, minimum: 0, unit: 'EUR' }
const home = { name: 'home', kind: 'CATEGORY', required: false, categories: ['rent', 'owner'] }
const children = { name: 'children', kind: 'INTEGER', required: false }

function contract(features: object[], more: object = {}) {
  return contractSchema.parse({ name: 'loans', inputField: 'loans', features, ...more })
}

const older = contract([income, home])

describe('growthProblems', () => {
  it.each<[string, object[]]>([
    ['the same features', [income, home]],
    ['another order', [home, income]],
    ['one more optional feature', [income, children, home]],
    ['other texts', [{ ...income, description: { en: 'Income a month', es: 'Ingresos al mes' } }, home]],
  ])('%s: none', (_, features) => {
    expect(growthProblems(contract(features), older)).toEqual([])
  })

  it.each<[string, object[], string]>([
    ['a new required feature', [income, home, { ...children, required: true }], 'children is new and required'],
    ['a feature that is gone', [income], 'home is gone'],
    ['an optional feature that becomes required', [income, { ...home, required: true }], 'home has another'],
    ['another bound', [{ ...income, minimum: 1 }, home], 'income has another'],
    ['another category', [income, { ...home, categories: ['rent', 'owner', 'parents'] }], 'home has another'],
    ['another unit', [{ ...income, unit: 'USD' }, home], 'income has another'],
  ])('%s: a problem', (_, features, problem) => {
    expect(growthProblems(contract(features), older)).toEqual([expect.stringContaining(problem)])
  })

  it('another key of the model is a problem', () => {
    expect(growthProblems(contract([income, home], { inputField: 'credit' }), older)).toEqual([
      'its inputField is credit, not loans',
    ])
  })
})
