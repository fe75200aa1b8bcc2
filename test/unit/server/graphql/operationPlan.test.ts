import {
  execute,
  GraphQLBoolean,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLInterfaceType,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  type OperationDefinitionNode,
  parse,
  validate,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { createExecutor } from '../../../../src/server/graphql/executor.js'
import { planOf } from '../../../../src/server/graphql/operationPlan.js'
import type { PreparedOperations } from '../../../../src/server/graphql/preparedOperations.js'
import { runPlan } from '../../../../src/server/graphql/runPlan.js'
import { OperationGate } from '../../../../src/server/operations/operationGate.js'
import { shapesOf } from '../../../../src/server/operations/operationShape.js'
import { coercedVariables } from '../../../../src/server/operations/variableValues.js'
import { present } from '../../../support/process.js'

const leaf = { type: GraphQLBoolean, args: { n: { type: GraphQLInt } }, resolve: () => true }
const Node: GraphQLObjectType = new GraphQLObjectType({
  name: 'Node',
  fields: () => ({ leaf, child: { type: Node, resolve: () => null } }),
})
const Named = new GraphQLInterfaceType({ name: 'Named', fields: { name: { type: GraphQLString } } })
const Checked = new GraphQLObjectType({ name: 'Checked', fields: { leaf }, isTypeOf: () => true })
const TINY = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      leaf,
      node: { type: Node, resolve: () => ({}) },
      named: { type: Named },
      checked: { type: new GraphQLList(Checked) },
    },
  }),
})

const openGate = (schema: GraphQLSchema) => new OperationGate({ schema, chargePoints: () => undefined, development: true })

const requiredCount = { type: new GraphQLNonNull(GraphQLInt), defaultValue: 7 }
const count = { type: GraphQLInt, defaultValue: 8 }
const Range = new GraphQLInputObjectType({ name: 'Range', fields: { requiredCount, count, name: { type: GraphQLString } } })
const echo = { args: { requiredCount, count }, resolve: (_parent: unknown, args: object) => JSON.stringify(args) }
/** A schema whose fields return their arguments. */
const DEFAULTS = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      echo: { type: GraphQLString, ...echo },
      required: { type: new GraphQLNonNull(GraphQLString), ...echo },
      range: { type: GraphQLString, args: { range: { type: Range } }, resolve: echo.resolve },
      ranges: { type: GraphQLString, args: { ranges: { type: new GraphQLList(Range) } }, resolve: echo.resolve },
    },
  }),
})

/** Nested fragments: each level adds a few tokens, and doubles the fields. */
function nested(levels: number): string {
  const bodies = Array.from(
    { length: levels },
    (_, i) => `fragment F${i} on Node { a: child { ...F${i + 1} } b: child { ...F${i + 1} } }`,
  )
  return `query Q { leaf node { ...F0 } } ${bodies.join(' ')} fragment F${levels} on Node { leaf }`
}

describe('an operation', () => {
  function isPlanned(source: string): boolean {
    const document = parse(source)
    return planOf(TINY, document, document.definitions[0] as OperationDefinitionNode) !== undefined
  }

  it.each([
    [
      'fields, aliases and fragments',
      '{ leaf a: node { ...F ... { leaf } child { __typename } } } fragment F on Node { leaf }',
      true,
    ],
    ['a directive on a field', '{ leaf @include(if: true) }', false],
    ['a directive on a spread', '{ node { ...F @skip(if: false) leaf } } fragment F on Node { leaf }', false],
    ['a directive on an inline fragment', '{ node { ... @include(if: true) { leaf } } }', false],
    ['a directive within a fragment', '{ node { ...F } } fragment F on Node { child { leaf @skip(if: false) } }', false],
    ['the schema', '{ __schema { types { name } } }', false],
    ['a type', '{ __type(name: "Node") { name } }', false],
    ['an interface', '{ named { name } }', false],
    ['a type that checks its values', '{ checked { leaf } }', false],
  ])('with %s has a plan or is left to graphql-js', (_what, source, expected) => {
    expect(isPlanned(source)).toBe(expected)
  })

  it('collects the fields of one key from all places, each fragment once', () => {
    const document = parse('{ node { leaf ...F ...F } node { ...F child { leaf } } } fragment F on Node { child { a: leaf } }')
    const plan = planOf(TINY, document, document.definitions[0] as OperationDefinitionNode)
    const [node] = plan?.root.fields ?? []
    if (node?.value.kind !== 'object') throw new Error('The field node has no plan.')
    expect(node.nodes).toHaveLength(2)
    const [leafOfNode, child] = node.value.object.fields
    expect([leafOfNode?.key, child?.key, child?.nodes.length]).toEqual(['leaf', 'child', 2])
  })

  type Request = Parameters<ReturnType<typeof createExecutor>>[0]

  /** How often each use of a document was handed over to be prepared. */
  async function preparedBy(source: string, uses: number, schema = TINY): Promise<number> {
    let prepared = 0
    const store = { add: () => prepared++ } as unknown as PreparedOperations
    const execute = createExecutor(schema, openGate(schema), store)
    const document = parse(source)
    const given = { document, operation: document.definitions[0], operationName: 'Q', request: { query: source }, context: {} }
    for (let use = 0; use < uses; use++) expect(await execute(given as unknown as Request)).not.toHaveProperty('errors')
    return prepared
  }

  it('is prepared from its second use on, unless its text holds others', async () => {
    expect(await preparedBy('query Q { leaf }', 1)).toBe(0)
    expect(await preparedBy('query Q { leaf }', 3)).toBe(2)
    expect(await preparedBy('query Q { leaf } query R { leaf }', 3)).toBe(0)
    expect(await preparedBy('query Q { leaf @skip(if: false) }', 3)).toBe(0)
  })

  it('of more than 1,000 fields has no plan: nested fragments would fill the memory', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: leaf`).join(' ')
    expect(await preparedBy(`query Q { ${fields(1_000)} }`, 2)).toBe(1)
    expect(await preparedBy(`query Q { ${fields(1_001)} }`, 2)).toBe(0)
    expect(await preparedBy(nested(3), 2)).toBe(1)
    expect(await preparedBy(nested(9), 2)).toBe(0)
  })

  it('that costs more than an answer may hold is refused before it is planned', async () => {
    await expect(preparedBy(nested(40), 1)).rejects.toMatchObject({ code: 'QUERY_TOO_COMPLEX' })
  })

  it('knows how many fields it has with its fragments expanded', () => {
    const sizeOf = (source: string) => {
      const document = parse(source)
      return shapesOf(document)(document.definitions[0] as OperationDefinitionNode).fields
    }
    expect(sizeOf('{ leaf }')).toBe(1)
    expect(sizeOf('{ node { ... on Node { leaf child { leaf } } ... { leaf } } }')).toBe(5)
    expect(sizeOf('{ node { ...F } other: node { ...F } } fragment F on Node { leaf child { leaf } }')).toBe(8)
    expect(sizeOf(nested(3))).toBe(2 + (2 + 4 + 8) + 8)
    expect(sizeOf(nested(40))).toBeGreaterThan(2 ** 41)
  })
})

describe('an argument or input field with a default', () => {
  const fields = [
    'echo',
    'required',
    'echo(requiredCount: 1)',
    'echo(requiredCount: $v)',
    'echo(count: $v)',
    'required(requiredCount: $v, count: $v)',
    'a: echo(requiredCount: $v) b: required(count: $v) c: echo',
    'range(range: { name: "a" })',
    'range(range: { requiredCount: $v })',
    'range(range: { count: $v })',
    'ranges(ranges: [{ count: $v }, { requiredCount: $v, name: "a" }])',
    'ranges(ranges: { requiredCount: $v })',
    '...F',
  ]
  const declarations = ['$v: Int', '$v: Int!', '$v: Int = 3', '$v: Int! = 3']
  const cases = fields.flatMap(field => (/\$v|F/.test(field) ? declarations : ['$v: Int = 1']).map(declared => [field, declared]))

  it.each(cases)('gives the same answer as by graphql-js: %s with %s', async (field, declared) => {
    const fragment = field === '...F' ? 'fragment F on Query { range(range: { requiredCount: $v }) echo(requiredCount: $v) }' : ''
    const document = parse(`query Q(${declared}) { use: echo(count: $v) ${field} } ${fragment}`)
    if (validate(DEFAULTS, document).length > 0) throw new Error('The case is not valid.')
    const operation = document.definitions[0] as OperationDefinitionNode
    const plan = present(planOf(DEFAULTS, document, operation))
    for (const variables of [{}, { v: null }, { v: 5 }]) {
      const result = coercedVariables(DEFAULTS, operation, variables)
      if ('errors' in result) continue
      const expected = await execute({ schema: DEFAULTS, document, variableValues: variables })
      expect(JSON.stringify(await runPlan(plan, {}, result.coerced))).toBe(JSON.stringify(expected))
    }
  })
})

describe('a list', () => {
  const Item = new GraphQLObjectType({ name: 'Item', fields: { text: { type: new GraphQLNonNull(GraphQLString) } } })
  const listOf = (items: () => unknown) =>
    new GraphQLSchema({
      query: new GraphQLObjectType({
        name: 'Query',
        fields: { items: { type: new GraphQLList(new GraphQLNonNull(Item)), resolve: items }, other: { type: GraphQLString } },
      }),
    })

  it.each<[string, () => unknown]>([
    ['an item that is missing', () => [{ text: 'a' }, null, { text: 'b' }]],
    ['an item that comes late', () => [Promise.resolve({ text: 'a' }), { text: 'b' }]],
    ['an item that fails late', () => [{ text: 'a' }, Promise.reject(new Error('late')), null]],
    [
      'a field that fails late beside one that fails at once',
      () => [{ text: () => Promise.reject(new Error('late')) }, { text: null }],
    ],
    [
      'two that fail late',
      () => [{ text: () => Promise.reject(new Error('one')) }, { text: () => Promise.reject(new Error('two')) }],
    ],
    ['an error for an item', () => [new Error('an error'), { text: 'b' }]],
    ['a set', () => new Set([{ text: 'a' }])],
    ['nothing', () => undefined],
  ])('with %s is answered as by graphql-js, and leaves no rejection behind', async (what, items) => {
    const schema = listOf(items)
    const document = parse('{ items { text } other }')
    const operation = document.definitions[0] as OperationDefinitionNode
    const actual = await runPlan(present(planOf(schema, document, operation)), {}, {})
    // graphql-js leaves a rejection behind there, which would end this test.
    const expected = what.includes('beside') || what.includes('fails late') ? undefined : await execute({ schema, document })
    if (expected) expect(JSON.stringify(actual)).toBe(JSON.stringify(expected))
    else expect(actual).toMatchObject({ data: { items: null }, errors: [expect.anything()] })
    await new Promise(setImmediate)
  })

  it('that is none is an error', async () => {
    const document = parse('{ items { text } }')
    const plan = present(
      planOf(
        listOf(() => 'text'),
        document,
        document.definitions[0] as OperationDefinitionNode,
      ),
    )
    expect(await runPlan(plan, {}, {})).toMatchObject({ data: { items: null }, errors: [{ path: ['items'] }] })
  })
})
