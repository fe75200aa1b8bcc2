import type { FeatureKind } from '../../scoring/contract.js'
import type { FeatureValue } from '../../scoring/features.js'
import type { GraphInput } from '../../scoring/manifest.js'
import type { Cell } from './sampleRows.js'

const TRUE = /^(true|1)$/i
const TRUE_OR_FALSE = /^(true|false)$/i

/** The kind of a feature: that of the input where it has a type for itself, else that of the values. */
export function kindOf(type: GraphInput['type'], values: readonly Cell[]): FeatureKind {
  switch (type) {
    case 'string':
      return 'CATEGORY'
    case 'bool':
      return 'BOOLEAN'
    case 'int32':
    case 'int64':
      return isNumeric(values) ? 'INTEGER' : 'CATEGORY'
    default:
      if (isNumeric(values)) return 'NUMBER'
      return values.every(value => value === null || TRUE_OR_FALSE.test(String(value))) ? 'BOOLEAN' : 'CATEGORY'
  }
}

export function featureValueOf(kind: FeatureKind, cell: Exclude<Cell, null>): FeatureValue {
  switch (kind) {
    case 'CATEGORY':
      return String(cell)
    case 'BOOLEAN':
      return TRUE.test(String(cell))
    default:
      return Number(cell)
  }
}

function isNumeric(values: readonly Cell[]): boolean {
  return values.every(value => value === null || (typeof value !== 'boolean' && Number.isFinite(Number(value))))
}
