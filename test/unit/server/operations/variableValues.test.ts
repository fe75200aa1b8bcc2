import { buildSchema, getVariableValues, type OperationDefinitionNode, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { coercedVariables } from '../../../../src/server/operations/variableValues.js'

const schema = buildSchema(`
  type Query { a(id: ID, is: Boolean): Int }
  enum Band { T1 T2 }
  input Range { from: Float to: Float = 1 deep: Range names: [String!] }
  input One @oneOf { a: Int b: String }`)

const TYPES = [
  'Int',
  'Int!',
  'Int = 3',
  'Int! = 3',
  '[Int]',
  '[Int!]!',
  'Band',
  '[Band!]',
  'Range',
  'Range!',
  'Range = {from: 2}',
  'One',
  '[One!]',
  'ID',
  'Boolean',
]
const VALUES: unknown[] = [
  undefined,
  null,
  1,
  1.5,
  3e9,
  '1',
  'T1',
  'T9',
  true,
  [],
  [1],
  [null],
  [1, null],
  ['T1', 'T9'],
  {},
  { from: 1 },
  { from: 'x' },
  { to: null },
  { other: 1 },
  { other: 1, more: 2 },
  { deep: { deep: { from: 1, names: ['a', 1] } } },
  { names: 'a' },
  { a: 1 },
  { a: 1, b: 'x' },
  { a: null },
  { b: 'x' },
  [{ a: 1 }, { b: 1 }],
  JSON.parse('{"__proto__": 1}'),
  JSON.parse('{"constructor": 1}'),
]

describe('variables', () => {
  it.each(TYPES)('of type %s are coerced as graphql-js coerces them, with mistakes at the same paths', type => {
    const operation = parse(`query($v: ${type}, $w: Int = 5) { a }`).definitions[0] as OperationDefinitionNode
    for (const value of VALUES) {
      const given = value === undefined ? {} : { v: value }
      const theirs = getVariableValues(schema, operation.variableDefinitions ?? [], given, {
        maxErrors: 50,
        hideSuggestions: true,
      })
      const ours = coercedVariables(schema, operation, given)
      const said = 'errors' in ours ? ours.errors.map(({ message }) => message) : undefined
      const wanted = theirs.errors?.map(({ message }) =>
        message.replace(/ got invalid value .*?( at "v[^"]*")?; /s, (_all, place = '') => ` got invalid value …${place}; `),
      )
      expect({ ...ours, errors: said }, JSON.stringify(value)).toEqual({ ...theirs, errors: wanted })
    }
  })

  it('may have the name of a property that every object has', () => {
    const operation = parse('query($__proto__: Int, $constructor: Int, $toString: Int) { a }')
      .definitions[0] as OperationDefinitionNode
    const given = JSON.parse('{"__proto__": 1, "toString": 2}') as Record<string, unknown>
    const ours = coercedVariables(schema, operation, given)
    expect('coerced' in ours && Object.entries(ours.coerced)).toEqual([
      ['__proto__', 1],
      ['toString', 2],
    ])
  })

  it('with 50,000 mistakes give 50 of them, and repeat no value', () => {
    const operation = parse('query($v: Range) { a }').definitions[0] as OperationDefinitionNode
    const v = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, 'canary']))
    const ours = coercedVariables(schema, operation, { v })
    const errors = 'errors' in ours ? ours.errors : []
    expect(errors).toHaveLength(51)
    expect(errors.map(({ message }) => message).join()).not.toContain('canary')
  })

  it('may hold 2,000 list items in total', () => {
    const operation = parse('query($v: [Int], $w: [Int]) { a }').definitions[0] as OperationDefinitionNode
    const items = (count: number) => Array<number>(count).fill(1)
    expect(coercedVariables(schema, operation, { v: items(1_000), w: items(1_000) })).toHaveProperty('coerced')
    expect(() => coercedVariables(schema, operation, { v: items(1_000), w: items(1_001) })).toThrow(/2000 items/)
    expect(coercedVariables(schema, operation, { v: [], undeclared: items(5_000) })).toHaveProperty('coerced')
  })
})
