import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  SchemaMetaFieldDef,
  type SelectionNode,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  type ValueNode,
} from 'graphql'
import { declaredCost, type FieldCost } from '../../schema/cost.js'
import { fragmentsOf } from './fragments.js'

type Variables = Readonly<Record<string, unknown>>
type Field = GraphQLField<unknown, unknown>

/** The most objects that an answer may hold: once, and again for each row that the surrounding field asks for. */
interface Extent {
  readonly once: number
  readonly perRow: number
}
interface Given {
  readonly variables: Variables
  /** Each fragment is counted once: recounting nested fragments would double the work at every level. */
  readonly fragments: Map<string, Extent>
}
type Count = (given: Given) => Extent
type RowsOf = (variables: Variables) => number

export interface OperationCost {
  /** How many objects the answer may hold with these coerced variables, plus other work, counted in objects. */
  costOf(variables: Variables): number
  /** The rows that the root fields of a mutation ask for; a field without a list counts as one row. */
  rowsOf(variables: Variables): number
}

const NOTHING: Extent = { once: 0, perRow: 0 }
const nothing: Count = () => NOTHING

/**
 * The costs of graphql-js's own types. The sizes are tuned so that a whole introspection costs about right; a single one may be
 * off.
 */
const INTROSPECTION: Readonly<Record<string, FieldCost>> = {
  '__Schema.types': { size: 100 },
  '__Schema.directives': { size: 10 },
  '__Type.fields': { size: 5 },
  '__Type.inputFields': { size: 5 },
  '__Type.enumValues': { size: 5 },
  '__Type.interfaces': { size: 1 },
  '__Type.possibleTypes': { size: 1 },
  // Introspection asks for chains of nine, and nearly all of them are null.
  '__Type.ofType': { weight: -1 },
  '__Field.args': { size: 2 },
  '__Directive.args': { size: 2 },
}

/** Weighs a valid operation by the costs that its fields declare (schema/cost.ts). */
export function operationCost(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): OperationCost {
  const counter = new Counter(schema, document)
  const root = schema.getRootType(operation.operation) ?? undefined
  const count = counter.countSet(root, operation.selectionSet)
  const evaluate = (variables: Variables) => {
    const { once, perRow } = count({ variables, fragments: new Map() })
    return once + perRow
  }
  const fixedCost = counter.isFixed ? evaluate({}) : undefined
  const rows = operation.operation === OperationTypeNode.MUTATION ? counter.rootRows(root, operation.selectionSet) : []
  return {
    costOf: variables => fixedCost ?? evaluate(variables),
    rowsOf: variables => rows.reduce((sum, rowsOf) => sum + rowsOf(variables), 0),
  }
}

/** Turns each selection into a function of the variables, once for an operation: only rows depend on variables. */
class Counter {
  readonly #schema: GraphQLSchema
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly #counts = new Map<string, Count>()
  #isFixed = true

  constructor(schema: GraphQLSchema, document: DocumentNode) {
    this.#schema = schema
    this.#fragments = fragmentsOf(document)
  }

  /** Whether the counts so far are the same for all variables. */
  get isFixed(): boolean {
    return this.#isFixed
  }

  countSet(type: GraphQLNamedType | undefined, { selections }: SelectionSetNode): Count {
    const parts = selections.map(selection => this.#countSelection(type, selection)).filter(count => count !== nothing)
    if (parts.length === 0) return nothing
    return given => {
      let [once, perRow] = [0, 0]
      for (const part of parts) {
        const extent = part(given)
        once += extent.once
        perRow += extent.perRow
      }
      return { once, perRow }
    }
  }

  /** The rows that each root field of a mutation asks for. Root fields are few, because the document limits apply first. */
  rootRows(root: GraphQLNamedType | undefined, { selections }: SelectionSetNode): RowsOf[] {
    return selections.flatMap(selection => {
      if (selection.kind === Kind.INLINE_FRAGMENT) return this.rootRows(root, selection.selectionSet)
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = this.#fragments.get(selection.name.value)
        return fragment ? this.rootRows(root, fragment.selectionSet) : []
      }
      const field = fieldOf(root, selection.name.value)
      const { rows } = field ? declaredCost(field) : {}
      if (!field || !rows) return [() => 1]
      const rowsOf = this.#rowsAskedFor(field, selection, rows)
      return [(variables: Variables) => Math.max(1, rowsOf(variables))]
    })
  }

  #countSelection(type: GraphQLNamedType | undefined, selection: SelectionNode): Count {
    if (selection.kind === Kind.FIELD) return this.#countField(type, selection)
    if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#countFragment(selection.name.value)
    const condition = selection.typeCondition
    return this.countSet(condition ? this.#schema.getType(condition.name.value) : type, selection.selectionSet)
  }

  #countFragment(name: string): Count {
    const known = this.#counts.get(name)
    if (known) return known
    const fragment = this.#fragments.get(name)
    if (!fragment) return nothing
    const count = this.countSet(this.#schema.getType(fragment.typeCondition.name.value), fragment.selectionSet)
    const once: Count = given => {
      const extent = given.fragments.get(name) ?? count(given)
      given.fragments.set(name, extent)
      return extent
    }
    const kept = count === nothing ? nothing : once
    this.#counts.set(name, kept)
    return kept
  }

  #countField(type: GraphQLNamedType | undefined, node: FieldNode): Count {
    const field = fieldOf(type, node.name.value)
    if (!field) return nothing
    const { size, rows, leastOfRow = 1, weight = 0 } = costOfField(type, field)
    const of = getNamedType(field.type)
    if (!isCompositeType(of)) return weight === 0 ? nothing : () => ({ once: weight, perRow: 0 })
    const within = node.selectionSet ? this.countSet(of, node.selectionSet) : nothing
    const isList = isListType(getNullableType(field.type))
    if (!rows) {
      const times = isList && typeof size === 'number' ? size : 1
      if (size === 'rows') return given => ({ once: 0, perRow: 1 + weight + within(given).once })
      return given => {
        const { once, perRow } = within(given)
        return { once: weight + times * (1 + once + perRow), perRow: 0 }
      }
    }
    const rowsOf = this.#rowsAskedFor(field, node, rows)
    return given => {
      const { once, perRow } = within(given)
      const asked = rowsOf(given.variables)
      // Rows are read even where none of their fields is selected.
      return { once: weight + (isList ? asked * (1 + once) : 1 + once + asked * Math.max(leastOfRow, perRow)), perRow: 0 }
    }
  }

  #rowsAskedFor(field: Field, node: FieldNode, rows: NonNullable<FieldCost['rows']>): RowsOf {
    if (node.arguments?.some(({ value }) => hasVariable(value))) {
      this.#isFixed = false
      return variables => rows(argumentsOf(field, node, variables))
    }
    const asked = rows(argumentsOf(field, node, {}))
    return () => asked
  }
}

/** Invalid arguments count as none here: the executor refuses them. */
function argumentsOf(field: Field, node: FieldNode, variables: Variables): Readonly<Record<string, unknown>> {
  try {
    return getArgumentValues(field, node, variables)
  } catch {
    return {}
  }
}

function fieldOf(type: GraphQLNamedType | undefined, name: string): Field | undefined {
  if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef
  if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef
  if (name === TypeNameMetaFieldDef.name || !type) return undefined
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined
}

function costOfField(type: GraphQLNamedType | undefined, field: Field): FieldCost {
  return INTROSPECTION[`${type?.name}.${field.name}`] ?? declaredCost(field)
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.VARIABLE) return true
  if (value.kind === Kind.LIST) return value.values.some(hasVariable)
  return value.kind === Kind.OBJECT && value.fields.some(field => hasVariable(field.value))
}
