import type { GraphQLField } from 'graphql'
import { Extensions } from 'type-graphql'

/** The values of a field's arguments, coerced. */
type Arguments = Readonly<Record<string, unknown>>

/** What a field costs, beside the one object that it answers with. Lists of objects must say it; scalars are part of their object. */
export interface FieldCost {
  /** How many objects a list holds at most. `rows`: as many as were asked for around it. */
  readonly size?: number | 'rows'
  /** How many rows its arguments ask for, at most: of the list itself, or of the lists of size `rows` within its answer. */
  readonly rows?: (given: Arguments) => number
  /** What each of these rows takes at least, in objects, whatever is asked of it. One unless said otherwise. */
  readonly leastOfRow?: number
  /** Work that its objects do not show, in objects. */
  readonly weight?: number
}

/** Declares the cost of a field where the field itself is declared. */
export function Cost(cost: FieldCost): MethodDecorator & PropertyDecorator {
  return Extensions({ cost })
}

/** The rows of a mutation that takes a list as `input.items`. A longer one is refused later. */
export function itemsUpTo(largest: number): (given: Arguments) => number {
  return ({ input }) => Math.min((input as { items: readonly unknown[] } | undefined)?.items.length ?? 0, largest)
}

export function declaredCost({ extensions }: GraphQLField<unknown, unknown>): FieldCost {
  return (extensions.cost as FieldCost | undefined) ?? {}
}
