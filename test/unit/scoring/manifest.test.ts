import { describe, expect, it } from 'vitest'
import { contractViolations, type ModelManifest, manifestSchema } from '../../../src/scoring/manifest.js'
import { contract, manifest, manifestJson } from '../support/domain.js'

type Json = ReturnType<typeof manifestJson>

function problemsAfter(change: (json: Json) => void): string[] {
  const json = manifestJson()
  change(json)
  const { error } = manifestSchema.safeParse(json)
  return error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []
}

describe('a manifest', () => {
  it('may hold more than the gateway reads', () => {
    expect(problemsAfter(json => Object.assign(json, { trainingData: { rows: 4_454 } }))).toEqual([])
  })

  it.each<[string, (json: Json) => unknown, RegExp]>([
    ['a digest in upper case', ({ onnx }) => Object.assign(onnx, { sha256: 'A'.repeat(64) }), /^onnx\.sha256 must be 64/],
    ['a digest that is too short', ({ onnx }) => Object.assign(onnx, { sha256: '0'.repeat(63) }), /^onnx\.sha256 must be 64/],
    [
      'a file outside its folder',
      ({ onnx }) => Object.assign(onnx, { file: '../other/model.onnx' }),
      /^onnx\.file must be a file beside/,
    ],
    ['a version that is a path', json => Object.assign(json, { version: '../1' }), /^version must be a short name/],
    ['six cut-offs', ({ bands }) => bands.cutoffs.pop(), /^bands\.cutoffs /],
    ['equal cut-offs', ({ bands }) => bands.cutoffs.splice(1, 1, 0.03), /^bands\.cutoffs must rise from T1 to T8$/],
    ['falling cut-offs', ({ bands }) => bands.cutoffs.reverse(), /^bands\.cutoffs must rise/],
    ['a cut-off of 0', ({ bands }) => bands.cutoffs.splice(0, 1, 0), /^bands\.cutoffs\.0 /],
    ['a cut-off of 1', ({ bands }) => bands.cutoffs.splice(6, 1, 1), /^bands\.cutoffs\.6 /],
    ['high risk from T1', ({ bands }) => Object.assign(bands, { highRiskFrom: 'T1' }), /^bands\.highRiskFrom /],
    [
      'an input of an unknown type',
      ({ onnx }) => Object.assign(onnx.inputs[0] ?? {}, { type: 'uint8' }),
      /^onnx\.inputs\.0\.type /,
    ],
    ['a column of -1', ({ onnx }) => Object.assign(onnx.output, { column: -1 }), /^onnx\.output\.column /],
    ['a time that is not a date', json => Object.assign(json, { createdAt: 'yesterday' }), /^createdAt /],
  ])('with %s names its problem', (_what, change, problem) => {
    const problems = problemsAfter(change)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(problem)
  })
})

type Input = ModelManifest['onnx']['inputs'][number]

function violationsOf(type: Input['type'], column: Input['columns'][number], model = manifest.model): string[] {
  const inputs = [{ name: 'x', type, columns: [column] }]
  return contractViolations({ ...manifest, model, onnx: { ...manifest.onnx, inputs } }, contract)
}

describe('a version that does not fit its contract', () => {
  it.each<[string, Input['type'], Input['columns'][number], RegExp]>([
    ['takes an unknown feature', 'float32', { feature: 'age' }, /column age: the contract has no such feature/],
    ['takes an unknown category', 'float32', { feature: 'grade', equals: 'D' }, /D is not one of its categories/],
    ['compares a number with a category', 'float32', { feature: 'amount', equals: 'A' }, /A is not one of its categories/],
    [
      'takes a category as a number',
      'float32',
      { feature: 'grade' },
      /a CATEGORY does not fit an input of type float32; add "codes" or "equals"/,
    ],
    ['forgets the code of a category', 'float32', { feature: 'grade', codes: { A: 0, B: 1 } }, /its codes have no number for C/],
    [
      'codes an unknown category',
      'float32',
      { feature: 'grade', codes: { A: 0, B: 1, C: 2, D: 3 } },
      /codes have D, which is not one/,
    ],
    ['codes a number', 'float32', { feature: 'amount', codes: { A: 0 } }, /only a CATEGORY has codes/],
    [
      'has a code that its type cannot hold',
      'int32',
      { feature: 'grade', codes: { A: 0, B: 0.5, C: 2 }, missing: 0 },
      /its code 0\.5 is not one/,
    ],
    [
      'has codes in a text',
      'string',
      { feature: 'grade', codes: { A: 0, B: 1, C: 2 }, missing: '' },
      /does not fit an input of type string/,
    ],
    ['has a code and a one-hot value', 'float32', { feature: 'grade', equals: 'A', codes: { A: 0, B: 1, C: 2 } }, /not both/],
    ['takes a number as a text', 'string', { feature: 'amount' }, /a NUMBER does not fit an input of type string/],
    ['takes a one-hot column as a text', 'string', { feature: 'grade', equals: 'A' }, /does not fit an input of type string/],
    ['takes a fraction as a whole number', 'int64', { feature: 'amount' }, /an int64 takes a BOOLEAN or an INTEGER/],
    [
      'has no text for a missing category',
      'string',
      { feature: 'grade' },
      /set "missing", the value that replaces a missing one/,
    ],
    [
      'has no whole number for a missing one',
      'int64',
      { feature: 'count' },
      /set "missing", the value that replaces a missing one/,
    ],
    [
      'has a fraction for a missing whole number',
      'int64',
      { feature: 'count', missing: 0.5 },
      /missing is not one that int64 can hold/,
    ],
    [
      'takes a number past its range for missing',
      'int32',
      { feature: 'count', missing: 2 ** 31 },
      /is not one that int32 can hold/,
    ],
    [
      'takes whole numbers as a bool',
      'bool',
      { feature: 'count', missing: 0 },
      /a bool takes a BOOLEAN, or an INTEGER with minimum 0/,
    ],
    ['takes a fraction as a bool', 'bool', { feature: 'amount' }, /a bool takes a BOOLEAN/],
    ['takes a fraction as an int32', 'int32', { feature: 'amount' }, /an int32 takes a BOOLEAN, or an INTEGER/],
    ['has no value for a missing one', 'int32', { feature: 'count' }, /set "missing"/],
    ['has a text for a missing number', 'float32', { feature: 'count', missing: 'none' }, /does not have the type of the input/],
    ['has a number for a missing category', 'string', { feature: 'grade', missing: 0 }, /does not have the type of the input/],
  ])('%s', (_what, type, column, violation) => {
    const violations = violationsOf(type, column)
    expect(violations).toHaveLength(1)
    expect(violations[0]).toMatch(violation)
  })

  it.each([
    ['int32', [expect.stringContaining('an INTEGER with minimum and maximum within 32 bits')]],
    // A whole number of an application is a safe integer, which an int64 always holds.
    ['int64', []],
  ] as const)('takes an unbounded whole number as %s', (type, violations) => {
    const unbounded = contract.features.map(feature => (feature.name === 'count' ? { ...feature, maximum: undefined } : feature))
    const inputs: Input[] = [{ name: 'x', type, columns: [{ feature: 'count', missing: 0 }] }]
    const fitting = { ...manifest, onnx: { ...manifest.onnx, inputs } }
    expect(contractViolations(fitting, contract)).toEqual([])
    expect(contractViolations(fitting, { ...contract, features: unbounded as typeof contract.features })).toEqual(violations)
  })

  it('belongs to another model', () => {
    expect(violationsOf('float32', { feature: 'amount' }, 'other')).toEqual(['it is a version of other, not of test-model'])
  })

  it('is refused with every violation at once', () => {
    const columns = [{ feature: 'age' }, { feature: 'grade' }, { feature: 'amount' }]
    const inputs: Input[] = [{ name: 'x', type: 'float32', columns }]
    expect(contractViolations({ ...manifest, model: 'other', onnx: { ...manifest.onnx, inputs } }, contract)).toHaveLength(3)
  })
})

it.each<[Input['type'], Input['columns'][number]]>([
  ['float32', { feature: 'amount' }],
  ['float32', { feature: 'flag' }],
  ['float64', { feature: 'count', missing: -1 }],
  ['float32', { feature: 'grade', equals: 'A' }],
  ['bool', { feature: 'flag' }],
  ['bool', { feature: 'grade', equals: 'B', missing: false }],
  ['int32', { feature: 'flag' }],
  ['int32', { feature: 'count', missing: -(2 ** 31) }],
  ['float32', { feature: 'count', missing: true }],
  ['int64', { feature: 'flag' }],
  ['int64', { feature: 'count', missing: -1 }],
  ['int64', { feature: 'grade', equals: 'B' }],
  ['string', { feature: 'grade', missing: '?' }],
  ['float32', { feature: 'grade', codes: { A: 0, B: 1, C: 2 } }],
  ['int64', { feature: 'grade', codes: { A: 0, B: 1, C: 2 }, missing: -1 }],
])('a version fits its contract with an input of %s from %j', (type, column) => {
  expect(violationsOf(type, column)).toEqual([])
})
