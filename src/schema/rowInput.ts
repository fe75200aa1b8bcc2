import type { GraphQLInputObjectType } from 'graphql'
import { Extensions } from 'type-graphql'

/** Marks an input that may be a row among others: its texts are checked with the row, so that a wrong one does not refuse the others. */
export function RowInput(): ClassDecorator {
  return Extensions({ isRow: true })
}

export function isRowInput({ extensions }: GraphQLInputObjectType): boolean {
  return extensions.isRow === true
}
