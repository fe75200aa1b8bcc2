import type { GraphUse } from '../manifest.js'
import type { Spellings } from '../spellings.js'
import type { PackedFeature, PackedRows } from './packedRows.js'

/** What a thread needs to load a graph and to read the rows that come to it. */
export interface ThreadGraph {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly onnx: GraphUse
  readonly spellings: Spellings
  readonly features: readonly PackedFeature[]
  /** Whether no row may share a run with another. */
  readonly rowByRow: boolean
}

/** The first message is `load`, the last is `end`. Each has one answer, but `end` has none: the thread ends. */
export type ThreadRequest =
  | { readonly kind: 'load'; readonly id: number; readonly graph: ThreadGraph }
  | { readonly kind: 'run'; readonly id: number; readonly rows: PackedRows }
  | { readonly kind: 'end' }

export type ThreadAnswer =
  /** What the graph answers for each row; nothing for `load`. */
  | { readonly id: number; readonly answers: Float64Array<ArrayBuffer> }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } }
