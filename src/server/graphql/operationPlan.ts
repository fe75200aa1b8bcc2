import {
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
} from 'graphql'
import { fragmentsOf } from '../operations/fragments.js'
import { type ArgumentsOf, argumentsOf } from './argumentValues.js'

/** An operation whose fields are collected once, for all requests (GraphQL, October 2021, section 6.3.2). */
export interface OperationPlan {
  readonly schema: GraphQLSchema
  readonly operation: OperationDefinitionNode
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>
  readonly root: ObjectPlan
}

/** The fields that are asked of an object, in the order of the answer. */
export interface ObjectPlan {
  readonly type: GraphQLObjectType
  readonly fields: readonly FieldPlan[]
}

export interface FieldPlan {
  /** Its key in the answer. */
  readonly key: string
  readonly parentType: GraphQLObjectType
  readonly definition: GraphQLField<unknown, unknown>
  /** All places in the document that ask for it. */
  readonly nodes: readonly FieldNode[]
  readonly argumentsOf: ArgumentsOf
  readonly value: ValuePlan
}

/** How the value of a field, or of an item of a list, is completed. */
export type ValuePlan = { readonly isNonNull: boolean } & (
  | { readonly kind: 'leaf'; readonly type: GraphQLLeafType }
  | { readonly kind: 'list'; readonly item: ValuePlan }
  | { readonly kind: 'object'; readonly object: ObjectPlan }
)

/**
 * Plans an operation of a valid document. Returns undefined where the fields depend on a request: through a directive, through a type that
 * is known only from its value, or by asking for the schema.
 */
export function planOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): OperationPlan | undefined {
  const type = schema.getRootType(operation.operation)
  const fragments = fragmentsOf(document)
  try {
    if (!type) return undefined
    return { schema, operation, fragments: Object.fromEntries(fragments), root: objectPlan(type, [operation], fragments) }
  } catch (error) {
    if (error instanceof DependsOnRequest) return undefined
    throw error
  }
}

class DependsOnRequest extends Error {}

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>
type Selecting = { readonly selectionSet?: SelectionSetNode | undefined }

function objectPlan(type: GraphQLObjectType, selecting: readonly Selecting[], fragments: Fragments): ObjectPlan {
  if (type.isTypeOf) throw new DependsOnRequest()
  const fields = [...collected(selecting, fragments)].map(([key, nodes]) => fieldPlan(type, key, nodes, fragments))
  return { type, fields }
}

function fieldPlan(
  parentType: GraphQLObjectType,
  key: string,
  nodes: readonly [FieldNode, ...FieldNode[]],
  fragments: Fragments,
): FieldPlan {
  const name = nodes[0].name.value
  const definition = name === TypeNameMetaFieldDef.name ? TypeNameMetaFieldDef : parentType.getFields()[name]
  // The schema describes itself by fields that no type declares.
  if (!definition) throw new DependsOnRequest()
  return {
    key,
    parentType,
    definition,
    nodes,
    argumentsOf: argumentsOf(definition, nodes[0]),
    value: valuePlan(definition.type, nodes, fragments),
  }
}

function valuePlan(type: GraphQLOutputType, nodes: readonly FieldNode[], fragments: Fragments): ValuePlan {
  if (isNonNullType(type)) return { ...valuePlan(type.ofType, nodes, fragments), isNonNull: true }
  const isNonNull = false
  if (isListType(type)) return { kind: 'list', isNonNull, item: valuePlan(type.ofType, nodes, fragments) }
  if (isLeafType(type)) return { kind: 'leaf', isNonNull, type }
  if (isAbstractType(type)) throw new DependsOnRequest()
  return { kind: 'object', isNonNull, object: objectPlan(type, nodes, fragments) }
}

type NodesByKey = Map<string, [FieldNode, ...FieldNode[]]>

/** The fields by their keys. Type conditions are not looked at: without abstract types, a valid document names only the type itself. */
function collected(selecting: readonly Selecting[], fragments: Fragments): NodesByKey {
  const byKey: NodesByKey = new Map()
  const visited = new Set<string>()
  for (const { selectionSet } of selecting) if (selectionSet) collect(selectionSet, fragments, byKey, visited)
  return byKey
}

function collect({ selections }: SelectionSetNode, fragments: Fragments, byKey: NodesByKey, visited: Set<string>): void {
  for (const selection of selections) {
    refuseDirectives(selection)
    if (selection.kind === Kind.FIELD) {
      const key = selection.alias?.value ?? selection.name.value
      const known = byKey.get(key)
      if (known) known.push(selection)
      else byKey.set(key, [selection])
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      collect(selection.selectionSet, fragments, byKey, visited)
    } else if (!visited.has(selection.name.value)) {
      visited.add(selection.name.value)
      const fragment = fragments.get(selection.name.value)
      if (fragment) collect(fragment.selectionSet, fragments, byKey, visited)
    }
  }
}

function refuseDirectives({ directives = [] }: { readonly directives?: readonly DirectiveNode[] | undefined }): void {
  if (directives.length > 0) throw new DependsOnRequest()
}
