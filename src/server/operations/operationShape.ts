import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionNode, type SelectionSetNode } from 'graphql'
import { fragmentsOf } from './fragments.js'

/** The size of an operation's text, with its fragments written out. */
export interface OperationShape {
  /** Levels of nested fields; a root field is level 1. Fields below `__schema` and `__type` are not counted. */
  readonly depth: number
  readonly fields: number
  readonly rootFields: number
  /** Fields with an alias, `__typename` too. */
  readonly aliases: number
  readonly longestAlias: number
  /** Whether it asks for the schema. */
  readonly introspects: boolean
}

const NOTHING: OperationShape = { depth: 0, fields: 0, rootFields: 0, aliases: 0, longestAlias: 0, introspects: false }

/**
 * Measures the operations of a document. Fragments within fragments multiply: a few hundred tokens can write out to millions of
 * fields. Each fragment is measured once, so that this stays cheap. The document need not be valid: a missing fragment, or one
 * that contains itself, counts as nothing.
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
    // Stands in while the fragment is measured, because it may contain itself.
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
