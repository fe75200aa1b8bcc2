import type { GraphQLField } from 'graphql'
import { Extensions } from 'type-graphql'

/** The values of a field's arguments, coerced. */
type Arguments = Readonly<Record<string, unknown>>

/**
 * The cost of a field beside the one object that it returns. Lists of objects must declare it; scalars are part of their object.
 */
export interface FieldCost {
  /** The most objects that a list can hold. `rows`: as many as the surrounding field asks for. */
  readonly size?: number | 'rows'
  /** The most rows that its arguments ask for: of the list itself, or of the lists of size `rows` within its answer. */
  readonly rows?: (given: Arguments) => number
  /** The least that each of these rows costs, in objects, whatever is selected of it. 1 by default. */
  readonly leastOfRow?: number
  /** Extra work that its objects do not show, in objects. */
  readonly weight?: number
}

/** Declares the cost of a field where the field itself is declared. */
export function Cost(cost: FieldCost): MethodDecorator & PropertyDecorator {
  return Extensions({ cost })
}

/** The rows of a mutation that takes a list as `input.items`. A longer list is refused later. */
export function itemsUpTo(largest: number): (given: Arguments) => number {
  return ({ input }) => Math.min((input as { items: readonly unknown[] } | undefined)?.items.length ?? 0, largest)
}

export function declaredCost({ extensions }: GraphQLField<unknown, unknown>): FieldCost {
  return (extensions.cost as FieldCost | undefined) ?? {}
}
