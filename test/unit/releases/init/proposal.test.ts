import { describe, expect, it } from 'vitest'
import { propose } from '../../../../src/releases/init/proposal.js'

/** What the graph with these inputs gets for its inputs from columns that hold their own names. */
function columnsOf(inputs: readonly string[], columns: readonly string[]): (string | undefined)[] {
  const inputMetadata = inputs.map(name => ({ name, isTensor: true, type: 'string', shape: ['N', 1] }) as const)
  const rows = [{ cells: Object.fromEntries(columns.map(column => [column, column])), probability: 0.5 }]
  const { features, candidates } = propose({ inputMetadata, outputMetadata: [] }, { columns, rows })
  const described = new Map(features.map(({ name, description }) => [name, description]))
  return (candidates[0] ?? []).map(({ columns: [column] }) => described.get(column?.feature ?? ''))
}

describe('the column of an input', () => {
  it.each<[string, string[], string[], string[]]>([
    ['has its very name, in other scripts', ['收入', '年龄'], ['年龄', '收入'], ['收入', '年龄']],
    ['has its very name, where another is alike', ['aB', 'a_b'], ['a_b', 'aB'], ['aB', 'a_b']],
    ['is alike', ['limitBal', 'age'], ['AGE', 'LIMIT_BAL'], ['LIMIT_BAL', 'AGE']],
    ['is alike, and no other input has its very name', ['a_b', 'aB'], ['A_B', 'a_b'], ['a_b', 'A_B']],
    ['stands in its place, where names in other scripts differ', ['收入', '年龄'], ['年齢', '所得'], ['年齢', '所得']],
  ])('%s', (_what, inputs, columns, expected) => {
    expect(columnsOf(inputs, columns)).toEqual(expected)
  })
})
