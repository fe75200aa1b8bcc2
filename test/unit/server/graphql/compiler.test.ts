import {
  GraphQLBoolean,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  parse,
  validate,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { createExecutor } from '../../../../src/server/graphql/executor.js'
import { OperationGate } from '../../../../src/server/operations/operationGate.js'
import { shapesOf } from '../../../../src/server/operations/operationShape.js'

/** A field whose value says whether compiled code called it. */
const isCompiled = {
  type: GraphQLBoolean,
  args: { n: { type: GraphQLInt } },
  resolve: () => new Error().stack?.includes('graphql-jit') ?? false,
}
const Node: GraphQLObjectType = new GraphQLObjectType({
  name: 'Node',
  fields: () => ({ isCompiled, child: { type: Node, resolve: () => null } }),
})
const TINY = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { isCompiled, node: { type: Node, resolve: () => ({}) } } }),
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

describe('the compiler', () => {
  type Request = Parameters<ReturnType<typeof createExecutor>>[0]

  /** Whether each use of a document ran compiled. */
  async function usesOf(source: string, times: number, variables: Record<string, unknown> = {}): Promise<unknown[]> {
    const execute = createExecutor(TINY, openGate(TINY))
    const document = parse(source)
    const operation = document.definitions.find(({ kind }) => kind === 'OperationDefinition')
    const uses: unknown[] = []
    for (let use = 0; use < times; use++) {
      const given = { document, operation, operationName: 'Q', request: { variables }, context: {} }
      const { data, errors } = await execute(given as unknown as Request)
      expect(errors).toBeUndefined()
      uses.push(data?.isCompiled)
    }
    return uses
  }

  it('compiles a document at its second use', async () => {
    expect(await usesOf('query Q { isCompiled }', 3)).toEqual([false, true, true])
  })

  it('does not run a document of several operations, nor null for a variable with a default', async () => {
    expect(await usesOf('query Q { isCompiled } query R { isCompiled }', 3)).toEqual([false, false, false])
    expect(await usesOf('query Q($n: Int = 1) { isCompiled(n: $n) }', 3, { n: null })).toEqual([false, false, false])
    expect(await usesOf('query Q($n: Int = 1) { isCompiled(n: $n) }', 3, {})).toEqual([false, true, true])
  })

  it('does not compile a document of too many fields', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: isCompiled`).join(' ')
    expect(await usesOf(`query Q { isCompiled ${fields(199)} }`, 2)).toEqual([false, true])
    expect(await usesOf(`query Q { isCompiled ${fields(200)} }`, 2)).toEqual([false, false])
  })

  /** Nested fragments: each level adds a few tokens, and doubles the fields. */
  function nested(levels: number): string {
    const bodies = Array.from(
      { length: levels },
      (_, i) => `fragment F${i} on Node { a: child { ...F${i + 1} } b: child { ...F${i + 1} } }`,
    )
    return `query Q { isCompiled node { ...F0 } } ${bodies.join(' ')} fragment F${levels} on Node { isCompiled }`
  }

  it('does not compile deeply nested fragments, which it would expand to gigabytes', async () => {
    expect(await usesOf(nested(3), 2)).toEqual([false, true])
    expect(await usesOf(nested(8), 3)).toEqual([false, false, false])
  })

  it('is never given a document that costs more than an answer may hold', async () => {
    await expect(usesOf(nested(40), 1)).rejects.toMatchObject({ code: 'QUERY_TOO_COMPLEX' })
  })

  it('knows how many fields an operation has with its fragments expanded', () => {
    const sizeOf = (source: string) => {
      const document = parse(source)
      const operation = document.definitions[0]
      return operation?.kind === 'OperationDefinition' ? shapesOf(document)(operation).fields : Number.NaN
    }
    expect(sizeOf('{ isCompiled }')).toBe(1)
    expect(sizeOf('{ node { ... on Node { isCompiled child { isCompiled } } ... { isCompiled } } }')).toBe(5)
    expect(sizeOf('{ node { ...F } other: node { ...F } } fragment F on Node { isCompiled child { isCompiled } }')).toBe(8)
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

  it.each(cases)('gives the same answer plain and compiled: %s with %s', async (field, declared) => {
    const fragment = field === '...F' ? 'fragment F on Query { range(range: { requiredCount: $v }) echo(requiredCount: $v) }' : ''
    const source = `query Q(${declared}) { __typename @skip(if: false) use: echo(count: $v) ${field} } ${fragment}`
    const document = parse(source)
    if (validate(DEFAULTS, document).length > 0) throw new Error('The case is not valid.')
    for (const variables of [{}, { v: null }, { v: 5 }]) {
      const execute = createExecutor(DEFAULTS, openGate(DEFAULTS))
      const given = { document, operation: document.definitions[0], operationName: 'Q', request: { variables }, context: {} }
      const answers = []
      for (let use = 0; use < 3; use++) {
        const { data, errors } = await execute(given as unknown as Parameters<typeof execute>[0])
        answers.push(JSON.stringify({ data, errors: errors?.map(({ message, path }) => [message, path]) }))
      }
      expect(new Set(answers).size, answers.join('\n')).toBe(1)
    }
  })

  it('is compiled if it is an argument, but not if it is an input field', async () => {
    const prepared: string[] = []
    const add = (text: string) => prepared.push(text)
    const execute = createExecutor(DEFAULTS, openGate(DEFAULTS), { add } as unknown as Parameters<typeof createExecutor>[2])
    for (const query of ['query Q($v: Int) { echo(requiredCount: $v) }', 'query Q($v: Int) { range(range: { count: $v }) }']) {
      const document = parse(query)
      const given = { document, operation: document.definitions[0], request: { query, variables: {} }, context: {} }
      for (let use = 0; use < 2; use++) await execute(given as unknown as Parameters<typeof execute>[0])
    }
    expect(prepared).toEqual(['query Q($v: Int) { echo(requiredCount: $v) }'])
  })
})
