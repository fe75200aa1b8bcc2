import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'

/**
 * How many fields an operation has once its fragments are written out. Fragments within fragments multiply: a document of a few
 * hundred tokens can stand for millions of fields. Each fragment is counted once, so that counting stays cheap. The document must
 * be valid, without cycles of fragments.
 */
export function writtenOutFields({ definitions }: DocumentNode, { selectionSet }: OperationDefinitionNode): number {
  const fragments = new Map(
    definitions
      .filter((definition): definition is FragmentDefinitionNode => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map(fragment => [fragment.name.value, fragment]),
  )
  const sizes = new Map<string, number>()

  function sizeOf(set: SelectionSetNode | undefined): number {
    let size = 0
    for (const selection of set?.selections ?? []) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) size += sizeOfFragment(selection.name.value)
      else size += (selection.kind === Kind.FIELD ? 1 : 0) + sizeOf(selection.selectionSet)
    }
    return size
  }

  function sizeOfFragment(name: string): number {
    const size = sizes.get(name) ?? sizeOf(fragments.get(name)?.selectionSet)
    sizes.set(name, size)
    return size
  }

  return sizeOf(selectionSet)
}
