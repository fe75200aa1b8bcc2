import type { ModelContract } from '../contract.js'
import type { FeatureValue, FeatureValues } from '../features.js'

/** A feature in its place of each packed row. */
export interface PackedFeature {
  readonly name: string
  readonly isText: boolean
}

/** Rows on their way to another thread: one block of memory that changes hands, instead of an object for each row. */
export interface PackedRows {
  /** Rows x features. NaN: the feature is missing; a text is its place in `texts`. */
  readonly cells: Float64Array<ArrayBuffer>
  readonly texts: readonly string[]
}

export function packedFeatures({ features }: ModelContract): PackedFeature[] {
  return features.map(({ name, kind }) => ({ name, isText: kind === 'CATEGORY' }))
}

/** A Boolean becomes 0 or 1, as the encoder makes it. */
export function pack(rows: readonly FeatureValues[], features: readonly PackedFeature[]): PackedRows {
  const cells = new Float64Array(rows.length * features.length)
  const places = new Map<string, number>()
  let at = 0
  for (const row of rows) {
    for (const { name } of features) {
      const value = row[name]
      cells[at++] = value === undefined ? Number.NaN : typeof value === 'string' ? placeOf(value, places) : Number(value)
    }
  }
  return { cells, texts: [...places.keys()] }
}

export function unpack({ cells, texts }: PackedRows, features: readonly PackedFeature[]): FeatureValues[] {
  return Array.from({ length: cells.length / features.length }, (_, row) => {
    const values: Record<string, FeatureValue> = {}
    for (const [i, { name, isText }] of features.entries()) {
      const cell = cells[row * features.length + i] as number
      if (!Number.isNaN(cell)) values[name] = isText ? (texts[cell] as string) : cell
    }
    return values
  })
}

function placeOf(text: string, places: Map<string, number>): number {
  const known = places.get(text)
  if (known !== undefined) return known
  places.set(text, places.size)
  return places.size - 1
}
