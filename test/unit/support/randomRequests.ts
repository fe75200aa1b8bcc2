import { createHash } from 'node:crypto'
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import { STORED } from './gatewaySchema.js'

export interface RandomRequest {
  readonly query: string
  readonly variables: Record<string, unknown>
}

// Some are members of every object.
const VARIABLES = ['v', 'w', 'toString', 'constructor', 'valueOf', 'hasOwnProperty', 'x1', 'x2', 'x3', 'x4', 'x5']
const TEXTS = ['web', '', 'rent', 'consumer-credit', '2026-05-01T00:00:00Z']
const IDS = [STORED.id, STORED.id, STORED.applicantId, 'a', 'unknown', '']
const NUMBERS = [0, 1, 5, 20, 101, -1]
const INSTANTS = ['2026-05-01T00:00:00Z', '2026-05-04T05:02:01+02:00', '2026-06-01T00:00:00.000Z']

/** A query or mutation that is made at random over the whole schema: mostly valid, with fragments, directives, variables and defaults. */
export function randomRequest(schema: GraphQLSchema, random: () => number): RandomRequest {
  return new RequestMaker(schema, random).request()
}

class RequestMaker {
  readonly #schema: GraphQLSchema
  readonly #random: () => number
  readonly #declared = new Map<string, string>()
  readonly #variables: Record<string, unknown> = {}
  readonly #fragments = new Map<string, { readonly name: string; readonly text: string }[]>()
  #made = 0
  #budget = 40

  constructor(schema: GraphQLSchema, random: () => number) {
    this.#schema = schema
    this.#random = random
  }

  request(): RandomRequest {
    const isMutation = this.#chance(0.3)
    const root = (isMutation ? this.#schema.getMutationType() : this.#schema.getQueryType()) as GraphQLObjectType
    const selections = this.#selections(root, 0)
    const declared = [...this.#declared].map(([name, type]) => `$${name}: ${type}`)
    const head = `${isMutation ? 'mutation' : 'query'} Q${declared.length > 0 ? `(${declared.join(', ')})` : ''}`
    const fragments = [...this.#fragments].flatMap(([type, all]) =>
      all.map(({ name, text }) => `fragment ${name} on ${type} ${text}`),
    )
    return { query: [`${head} ${selections}`, ...fragments].join('\n'), variables: this.#variables }
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T
  }

  #selections(type: GraphQLObjectType, depth: number): string {
    const count = 1 + Math.floor(this.#random() * 4)
    return `{ ${Array.from({ length: count }, () => this.#selection(type, depth)).join(' ')} }`
  }

  #selection(type: GraphQLObjectType, depth: number): string {
    if (depth < 7 && this.#chance(0.12)) {
      return `...${this.#oneOf(['', ` on ${type.name}`])}${this.#directives()} ${this.#selections(type, depth)}`
    }
    if (depth < 7 && this.#chance(0.15)) return `...${this.#fragment(type, depth)}${this.#directives()}`
    if (this.#chance(0.05)) return `__typename${this.#directives()}`
    const fields = Object.values(type.getFields())
    const leaves = fields.filter(field => !isObjectType(getNamedType(field.type)))
    const isLast = depth >= 6 || --this.#budget < 0
    return this.#field(this.#oneOf(isLast && leaves.length > 0 ? leaves : fields), depth)
  }

  #field(field: GraphQLField<unknown, unknown>, depth: number): string {
    const args = this.#entries(field.args)
    const text = args.length > 0 ? `(${args.join(', ')})` : ''
    // The same key always means the same field and arguments, so that fields of one key can be merged.
    const mark = createHash('sha256').update(text).digest('hex').slice(0, 4)
    const alias = text !== '' || this.#chance(0.05) ? `${field.name}_${mark}: ` : ''
    const type = getNamedType(field.type)
    const within = isObjectType(type) ? ` ${this.#selections(type, depth + 1)}` : ''
    return `${alias}${field.name}${text}${this.#directives()}${within}`
  }

  #fragment(type: GraphQLObjectType, depth: number): string {
    const known = this.#fragments.get(type.name) ?? []
    if (known.length > 0 && this.#chance(0.6)) return this.#oneOf(known).name
    const name = `${type.name}${this.#made++}`
    // Spread only once it is written, so that no fragment contains itself.
    const text = this.#selections(type, depth + 1)
    this.#fragments.set(type.name, [...(this.#fragments.get(type.name) ?? []), { name, text }])
    return name
  }

  #directives(): string {
    if (!this.#chance(0.1)) return ''
    const condition = () =>
      this.#chance(0.5) ? this.#oneOf(['true', 'false']) : this.#variable('Boolean!', () => this.#chance(0.5), 'true')
    const directive = (name: string) => ` @${name}(if: ${condition()})`
    return this.#chance(0.2) ? directive('include') + directive('skip') : directive(this.#oneOf(['include', 'skip']))
  }

  /** Arguments, or the keys of an input object: those that are required, and some others. */
  #entries(all: readonly (GraphQLArgument | GraphQLInputField)[]): string[] {
    const given = all.filter(
      ({ type, defaultValue }) => (isNonNullType(type) && defaultValue === undefined) || this.#chance(0.25),
    )
    return given.map(({ name, type }) => `${name}: ${this.#input(type)}`)
  }

  /** A literal, or a variable. */
  #input(type: GraphQLInputType): string {
    if (!this.#chance(0.3)) return this.#literal(type)
    return this.#variable(
      String(type),
      () => (this.#chance(0.1) ? this.#oneOf([null, 5, 'x', {}]) : this.#json(type)),
      () => this.#literal(type),
    )
  }

  #variable(type: string, value: () => unknown, fallback: string | (() => string)): string {
    const free = VARIABLES.filter(name => !this.#declared.has(name))
    const name = this.#oneOf(free.length > 0 ? free : [`more${this.#declared.size}`])
    const written = typeof fallback === 'string' ? fallback : fallback()
    const hasDefault = this.#chance(0.25) && !written.includes('$')
    this.#declared.set(
      name,
      `${hasDefault && this.#chance(0.5) ? type.replace(/!$/, '') : type}${hasDefault ? ` = ${written}` : ''}`,
    )
    if (!(hasDefault && this.#chance(0.5))) {
      Object.defineProperty(this.#variables, name, { value: value(), enumerable: true, configurable: true, writable: true })
    }
    return `$${name}`
  }

  #literal(type: GraphQLInputType): string {
    if (isNonNullType(type)) return this.#literal(type.ofType)
    if (this.#chance(0.03)) return 'null'
    if (isListType(type))
      return `[${Array.from({ length: Math.floor(this.#random() * 3) }, () => this.#input(type.ofType)).join(', ')}]`
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields())
      const entries = type.isOneOf
        ? [this.#oneOf(fields)].map(({ name, type }) => `${name}: ${this.#literal(type)}`)
        : this.#entries(fields)
      return `{${entries.join(', ')}}`
    }
    return isEnumType(type) ? String(this.#json(type)) : JSON.stringify(this.#json(type))
  }

  #json(type: GraphQLInputType): unknown {
    if (isNonNullType(type)) return this.#json(type.ofType)
    if (this.#chance(0.03)) return null
    if (isListType(type)) return Array.from({ length: Math.floor(this.#random() * 3) }, () => this.#json(type.ofType))
    if (isEnumType(type)) return this.#oneOf(type.getValues()).name
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields())
      const given = type.isOneOf ? [this.#oneOf(fields)] : fields.filter(field => isNonNullType(field.type) || this.#chance(0.25))
      return Object.fromEntries(given.map(field => [field.name, this.#json(field.type)]))
    }
    if (type.name === 'ID') return this.#oneOf(IDS)
    if (type.name === 'Int') return this.#oneOf(NUMBERS)
    if (type.name === 'Float') return this.#oneOf([...NUMBERS, 0.5])
    if (type.name === 'Boolean') return this.#chance(0.5)
    return this.#oneOf(type.name === 'DateTime' ? INSTANTS : TEXTS)
  }
}
