import { describe, expect, it } from 'vitest'
import { contractSchema } from '../../../../src/scoring/contract.js'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import type { GraphInput } from '../../../../src/scoring/manifest.js'
import { encode } from '../../../../src/scoring/onnx/encoder.js'
import { spellingsOf } from '../../../../src/scoring/spellings.js'
import { contractJson } from '../../support/domain.js'

const FULL: FeatureValues = { amount: 2.5, count: 3, flag: true, grade: 'B' }
const EMPTY: FeatureValues = {}

function dataOf(type: GraphInput['type'], columns: GraphInput['columns'], rows = [FULL, EMPTY]): unknown[] {
  return [...(encode(rows, [{ name: 'x', type, columns }])[0]?.data ?? [])]
}

describe('the encoder', () => {
  it('fills a single input of many columns row by row', () => {
    const columns = [
      { feature: 'amount' },
      { feature: 'flag' },
      { feature: 'grade', equals: 'A' },
      { feature: 'grade', equals: 'B' },
    ]
    const [encoded] = encode([FULL, { ...FULL, flag: false, grade: 'A' }], [{ name: 'x', type: 'float32', columns }])
    expect(encoded).toEqual({ name: 'x', type: 'float32', dims: [2, 4], data: Float32Array.of(2.5, 1, 0, 1, 2.5, 0, 1, 0) })
  })

  it('fills one input for each column, in the order of the manifest', () => {
    const inputs: GraphInput[] = [
      { name: 'grade', type: 'string', columns: [{ feature: 'grade', missing: '?' }] },
      { name: 'count', type: 'int64', columns: [{ feature: 'count', missing: -1 }] },
      { name: 'amount', type: 'float64', columns: [{ feature: 'amount' }] },
    ]
    expect(encode([FULL, EMPTY], inputs).map(({ name, data, dims }) => [name, data, dims])).toEqual([
      ['grade', ['B', '?'], [2, 1]],
      ['count', BigInt64Array.of(3n, -1n), [2, 1]],
      ['amount', Float64Array.of(2.5, Number.NaN), [2, 1]],
    ])
  })

  it('puts NaN for a missing number, 0 for a missing one-hot column, or the value that the manifest names', () => {
    expect(dataOf('float32', [{ feature: 'amount' }])).toEqual([2.5, Number.NaN])
    expect(dataOf('float32', [{ feature: 'amount', missing: -9 }])).toEqual([2.5, -9])
    expect(dataOf('float32', [{ feature: 'grade', equals: 'B' }])).toEqual([1, 0])
    expect(dataOf('float32', [{ feature: 'grade', equals: 'B', missing: 0.5 }])).toEqual([1, 0.5])
    expect(dataOf('int64', [{ feature: 'grade', equals: 'B' }])).toEqual([1n, 0n])
  })

  it('does not confuse 0 or false with a missing value', () => {
    expect(
      dataOf(
        'float32',
        [
          { feature: 'amount', missing: 7 },
          { feature: 'flag', missing: 8 },
        ],
        [{ amount: 0, flag: false }],
      ),
    ).toEqual([0, 0])
  })

  it('gives a graph that takes texts the spelling of its contract, and compares the canonical one', () => {
    const json = contractJson()
    const grade = json.features.at(-1) as { categories: string[] }
    grade.categories = ['Espan\u0303a', 'B', ' Private']
    const spellings = spellingsOf(contractSchema.parse(json))
    const rows = [{ grade: 'Espa\u00f1a' }, { grade: 'B' }, { grade: ' Private' }, {}]
    const column = { feature: 'grade', missing: '?' }
    const columns = [{ feature: 'grade', equals: 'Espa\u00f1a' }]
    expect(encode(rows, [{ name: 'x', type: 'string', columns: [column] }], spellings)[0]?.data).toEqual([
      'Espan\u0303a',
      'B',
      ' Private',
      '?',
    ])
    expect(encode(rows, [{ name: 'x', type: 'float32', columns }], spellings)[0]?.data).toEqual(Float32Array.of(1, 0, 0, 0))
  })

  it('gives an empty input for no rows', () => {
    expect(encode([], [{ name: 'x', type: 'float32', columns: [{ feature: 'amount' }] }])[0]?.dims).toEqual([0, 1])
  })
})
