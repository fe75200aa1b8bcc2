import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionNode, type SelectionSetNode } from 'graphql'
import { fragmentsOf } from './fragments.js'

/** How large an operation is as it stands in its text, with its fragments written out. */
export interface OperationShape {
  /** Fields within fields; a root field is 1. What `__schema` and `__type` hold is not counted. */
  readonly depth: number
  readonly fields: number
  readonly rootFields: number
  /** Fields under another name, `__typename` too. */
  readonly aliases: number
  readonly longestAlias: number
  /** Whether it asks for the schema. */
  readonly introspects: boolean
}

const NOTHING: OperationShape = { depth: 0, fields: 0, rootFields: 0, aliases: 0, longestAlias: 0, introspects: false }

/**
 * Measures the operations of a document. Fragments within fragments multiply: a document of a few hundred tokens can stand for
 * millions of fields. Each fragment is looked at once, so that measuring stays cheap. The document need not be valid: a fragment
 * that is not there, or is its own part, counts as nothing.
 */
export function shapesOf(document: DocumentNode): (operation: OperationDefinitionNode) => OperationShape {
  const fragments = fragmentsOf(document)
  const known = new Map<string, OperationShape>()

  function shapeOf({ selections }: SelectionSetNode): OperationShape {
    return selections.reduce((sum, selection) => together(sum, shapeOfSelection(selection)), NOTHING)
  }

  function shapeOfSelection(selection: SelectionNode): OperationShape {
    if (selection.kind === Kind.INLINE_FRAGMENT) return shapeOf(selection.selectionSet)
    if (selection.kind === Kind.FRAGMENT_SPREAD) return shapeOfFragment(selection.name.value)
    const { name, alias, selectionSet } = selection
    const within = selectionSet ? shapeOf(selectionSet) : NOTHING
    const introspects = name.value === '__schema' || name.value === '__type'
    return {
      depth: introspects ? 1 : within.depth + 1,
      fields: within.fields + 1,
      rootFields: 1,
      aliases: within.aliases + (alias ? 1 : 0),
      longestAlias: Math.max(within.longestAlias, alias?.value.length ?? 0),
      introspects: introspects || within.introspects,
    }
  }

  function shapeOfFragment(name: string): OperationShape {
    const found = known.get(name)
    if (found) return found
    // For as long as it is looked at: it may be its own part.
    known.set(name, NOTHING)
    const fragment = fragments.get(name)
    const shape = fragment ? shapeOf(fragment.selectionSet) : NOTHING
    known.set(name, shape)
    return shape
  }

  return ({ selectionSet }) => shapeOf(selectionSet)
}

function together(one: OperationShape, other: OperationShape): OperationShape {
  return {
    depth: Math.max(one.depth, other.depth),
    fields: one.fields + other.fields,
    rootFields: one.rootFields + other.rootFields,
    aliases: one.aliases + other.aliases,
    longestAlias: Math.max(one.longestAlias, other.longestAlias),
    introspects: one.introspects || other.introspects,
  }
}
