import { expect, it } from 'vitest'
import { contractSchema } from '../../../src/scoring/contract.js'
import type { ModelManifest } from '../../../src/scoring/manifest.js'
import { unusedViolations } from '../../../src/scoring/unusedFeatures.js'
import { manifestOf } from '../support/domain.js'

const contract = contractSchema.parse({
  name: 'loans',
  inputField: 'loans',
  features: [
    { name: 'income', kind: 'NUMBER', required: true },
    { name: 'home', kind: 'CATEGORY', required: true, categories: ['rent', 'own=paid', 'other'] },
  ],
})
type Columns = ModelManifest['onnx']['inputs'][number]['columns']
const INCOME = { feature: 'income' }
const ALL: Columns = [INCOME, ...['rent', 'own=paid', 'other'].map(equals => ({ feature: 'home', equals }))]

const violations = (columns: Columns, unused?: string[]) =>
  unusedViolations({ ...manifestOf({ name: 'p', column: 0 }, [{ name: 'x', type: 'float32', columns }]), unused }, contract)

it('a version that uses every feature and category of its contract needs to say nothing', () => {
  expect(violations(ALL)).toEqual([])
  expect(violations([INCOME, { feature: 'home', codes: { rent: 0, 'own=paid': 1, other: 2 } }])).toEqual([])
})

it('a feature without a column is refused unless the manifest says so', () => {
  expect(violations(ALL.slice(1))).toEqual([
    'no column uses income; add a column, or list it in "unused", such as "unused": ["income"]',
  ])
  expect(violations(ALL.slice(1), ['income'])).toEqual([])
})

it('so is a category without a column of its own, such as the first of a one-hot encoding', () => {
  expect(violations([INCOME, ...ALL.slice(3)])).toEqual([expect.stringMatching(/^no column uses home=rent, home=own=paid; /)])
  expect(violations([INCOME, ...ALL.slice(2)], ['home=rent'])).toEqual([])
  expect(violations([INCOME, ...ALL.slice(3)], ['home=rent', 'home=own=paid'])).toEqual([])
})

it('what is said to be unused must be so', () => {
  expect(violations(ALL, ['income', 'home=rent', 'age', 'home=tent'])).toEqual([
    '"unused" has income, which a column uses',
    '"unused" has home=rent, which a column uses',
    '"unused" has age, which the contract does not have',
    '"unused" has home=tent, which the contract does not have',
  ])
})
