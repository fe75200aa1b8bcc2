import { setFloat16 } from '@petamoriken/float16'
import type { FeatureValue, FeatureValues } from '../features.js'
import type { GraphInput } from '../manifest.js'
import type { Spellings } from '../spellings.js'

type Column = GraphInput['columns'][number]

/** One input of the graph, filled row by row: `data` holds rows x columns values in row order. */
export interface EncodedInput {
  readonly name: string
  readonly type: GraphInput['type']
  readonly data: Float32Array | Float64Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array | string[]
  readonly dims: readonly [rows: number, columns: number]
}

/** Fills the inputs of a graph from checked features, as the manifest describes. Texts get the spelling of the model. */
export function encode(
  rows: readonly FeatureValues[],
  inputs: readonly GraphInput[],
  spellings: Spellings = new Map(),
): EncodedInput[] {
  return inputs.map(({ name, type, columns }) => {
    const cells = rows.flatMap(row => columns.map(column => cell(row, column, spellings)))
    return { name, type, data: typed(cells, type), dims: [rows.length, columns.length] }
  })
}

function cell(row: FeatureValues, { feature, equals, codes, missing }: Column, spellings: Spellings): number | string {
  const value = row[feature]
  if (value === undefined) return asCell(missing ?? (equals === undefined ? Number.NaN : 0))
  if (equals !== undefined) return value === equals ? 1 : 0
  if (codes !== undefined) return codes[value as string] as number
  if (typeof value === 'string') return spellings.get(feature)?.get(value) ?? value
  return asCell(value)
}

function asCell(value: FeatureValue): number | string {
  return typeof value === 'boolean' ? Number(value) : value
}

function typed(cells: readonly (number | string)[], type: GraphInput['type']): EncodedInput['data'] {
  switch (type) {
    case 'float32':
      return Float32Array.from(cells as number[])
    case 'float64':
      return Float64Array.from(cells as number[])
    case 'float16':
      return halves(cells as number[])
    case 'int32':
      return Int32Array.from(cells as number[])
    case 'bool':
      return Uint8Array.from(cells as number[])
    case 'int64':
      return BigInt64Array.from(cells as number[], BigInt)
    case 'string':
      return cells as string[]
  }
}

/** Numbers in half precision, as their bits: the form that ONNX Runtime takes on every version of Node. */
function halves(cells: readonly number[]): Uint16Array {
  const bits = new Uint16Array(cells.length)
  const view = new DataView(bits.buffer)
  for (const [i, cell] of cells.entries()) setFloat16(view, i * 2, cell, true)
  return bits
}
