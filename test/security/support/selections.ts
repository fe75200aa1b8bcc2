import {
  astFromValue,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
  print,
} from 'graphql'
import type { ArgumentValues } from './argumentValues.js'

/** A field as an operation selects it. */
export interface Asked {
  readonly type: GraphQLObjectType
  readonly field: GraphQLField<unknown, unknown>
  /** Its key in the answer. */
  readonly key: string
  readonly children: readonly Asked[]
}

/** Fields that begin at a root type, each on the type that the field before returns. */
export interface Path {
  readonly root: GraphQLObjectType
  readonly steps: readonly Omit<Asked, 'children'>[]
  readonly end: GraphQLObjectType
}

/** How the fields at the end of a path are selected. */
export interface Way {
  readonly name: string
  readonly aliased?: boolean
  /** Puts these fields into a fragment of this kind on their type. */
  readonly spread?: 'named fragment' | 'inline fragment' | 'fragment in fragment'
  /** A directive on each field; `$yes` is true and `$no` is false. */
  readonly directive?: string
  /** Whether the directive leaves the fields out. */
  readonly leftOut?: boolean
  readonly variables?: boolean
}

// The gateway accepts documents of depth 8: a path, a field at its end, and one below that.
const MAX_STEPS = 6

export function coordinateOf({ type, field }: Pick<Asked, 'type' | 'field'>): string {
  return `${type.name}.${field.name}`
}

export function objectTypes(schema: GraphQLSchema): GraphQLObjectType[] {
  const types = Object.values(schema.getTypeMap()).filter(type => isObjectType(type))
  return types.filter(({ name }) => !name.startsWith('__'))
}

export function fieldsOf(type: GraphQLObjectType): GraphQLField<unknown, unknown>[] {
  return Object.values(type.getFields())
}

/** Every path from a root type that uses no field twice, shortest first, including the empty paths. */
export function pathsOf(schema: GraphQLSchema): Path[] {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(root => root != null)
  const found: Path[] = roots.map(root => ({ root, steps: [], end: root }))
  // The list grows while it is iterated.
  for (const { root, steps, end } of found) {
    if (steps.length === MAX_STEPS) continue
    for (const field of fieldsOf(end)) {
      const to = getNamedType(field.type)
      const step = { type: end, field, key: field.name }
      if (!isObjectType(to) || steps.some(other => coordinateOf(other) === coordinateOf(step))) continue
      found.push({ root, steps: [...steps, step], end: to })
    }
  }
  return found
}

/** Selects the fields at the end of a path; a field of an object type selects one of its own fields. */
export function askedAtEnd({ steps, end }: Path, fields: readonly GraphQLField<unknown, unknown>[]): Asked[] {
  const asked = fields.map((field): Asked => {
    const to = getNamedType(field.type)
    const leaf = isObjectType(to) && fieldsOf(to).find(({ type, args }) => isLeafType(getNamedType(type)) && args.length === 0)
    const children = leaf ? [{ type: to as GraphQLObjectType, field: leaf, key: leaf.name, children: [] }] : []
    return { type: end, field, key: field.name, children }
  })
  return steps.reduceRight<Asked[]>((children, step) => [{ ...step, children }], asked)
}

export interface Operation {
  readonly query: string
  readonly variables: Record<string, unknown>
  /** The fields that the answer should hold. */
  readonly asked: readonly Asked[]
}

/** The operation that selects the fields in this way. Different marks make different documents. */
export function operationOf(path: Path, selection: readonly Asked[], way: Way, values: ArgumentValues, mark: string): Operation {
  const variables: Record<string, unknown> = way.directive
    ? { [way.directive.includes('$yes') ? 'yes' : 'no']: way.directive.includes('$yes') }
    : {}
  const definitions = Object.keys(variables).map(name => `$${name}: Boolean!`)
  const fragments: string[] = []

  const argument = (name: string, type: GraphQLInputType, value: unknown): string => {
    if (!way.variables) {
      const literal = astFromValue(value, type)
      if (!literal) throw new Error(`The argument ${name} has no literal.`)
      return `${name}: ${print(literal)}`
    }
    const variable = `v${definitions.length}`
    definitions.push(`$${variable}: ${String(type)}`)
    variables[variable] = value
    return `${name}: $${variable}`
  }
  const fieldText = ({ type, field, key, children }: Asked, atEnd: boolean): string => {
    const given = values.of(type, field).map(({ name, type: input, value }) => argument(name, input, value))
    const alias = key === field.name ? '' : `${key}: `
    const directive = atEnd && way.directive ? ` ${way.directive}` : ''
    const composite = isObjectType(getNamedType(field.type))
    const below = composite ? ` { ${children.length > 0 ? children.map(child => text(child)).join(' ') : '__typename'} }` : ''
    return `${alias}${field.name}${given.length > 0 ? `(${given.join(', ')})` : ''}${directive}${below}`
  }
  const isAtEnd = new Set<Asked>()
  const text = (one: Asked): string => fieldText(one, isAtEnd.has(one))
  const selectionText = (asked: readonly Asked[], depth: number): string => {
    const [step] = asked
    if (depth < path.steps.length && step) {
      const { children } = step
      const given = values.of(step.type, step.field).map(({ name, type, value }) => argument(name, type, value))
      return `${step.field.name}${given.length > 0 ? `(${given.join(', ')})` : ''} { ${selectionText(children, depth + 1)} }`
    }
    for (const one of asked) isAtEnd.add(one)
    const fields = `${way.leftOut ? '__typename ' : ''}${asked.map(text).join(' ')}`
    if (way.spread === 'inline fragment') return `... on ${path.end.name} { ... { ${fields} } }`
    if (way.spread === undefined) return fields
    const [outer, inner] = way.spread === 'named fragment' ? ['F', undefined] : ['F', 'G']
    fragments.push(`fragment ${inner ?? outer} on ${path.end.name} { ${fields} }`)
    if (inner) fragments.push(`fragment ${outer} on ${path.end.name} { ...${inner} }`)
    return `...${outer}`
  }

  const asked = way.aliased ? withAliases(selection, path.steps.length) : selection
  const body = selectionText(asked, 0)
  const kind = path.root.name.toLowerCase()
  const header = definitions.length > 0 ? `${kind} (${definitions.join(', ')})` : kind
  return { query: [`# ${mark}`, `${header} { ${body} }`, ...fragments].join('\n'), variables, asked }
}

function withAliases(asked: readonly Asked[], depth: number): Asked[] {
  if (depth === 0) return asked.map((one, i) => ({ ...one, key: `a${i}` }))
  return asked.map(one => ({ ...one, children: withAliases(one.children, depth - 1) }))
}
