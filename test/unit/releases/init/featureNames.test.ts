import { expect, it } from 'vitest'
import { featureNames } from '../../../../src/releases/init/featureNames.js'

it('columns become different names of features', () => {
  const columns = [
    'LIMIT_BAL',
    'PAY_0',
    'Limit bal',
    'creditScore',
    'Años',
    '3rd loan',
    'constructor',
    '收入',
    '',
    'a'.repeat(90),
    'a'.repeat(91),
    `${'a'.repeat(63)}b`,
  ]
  const names = [...featureNames(columns).values()]
  expect(names).toEqual([
    'limitBal',
    'pay0',
    'limitBal2',
    'creditScore',
    'anos',
    'f3rdLoan',
    'constructor2',
    'f',
    'f2',
    'a'.repeat(63),
    `${'a'.repeat(62)}2`,
    `${'a'.repeat(62)}3`,
  ])
  for (const name of names) expect(name).toMatch(/^[a-z][A-Za-z0-9]{0,62}$/)
})
