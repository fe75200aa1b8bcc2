import protobuf from 'protobufjs'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL_GRAPH = 7
const GRAPH_NODE = 1
const GRAPH_OUTPUT = 12
const NODE_INPUT = 1
const NODE_OUTPUT = 2
const NODE_OP_TYPE = 4
const VALUE_INFO_NAME = 1
const LENGTH_DELIMITED = 2

/** Rewrites a length-delimited field, given its number and payload; undefined drops it. Other fields are copied unchanged. */
type Rewrite = (field: number, payload: Uint8Array) => Uint8Array | undefined

export interface PlainGraph {
  /** The model without ZipMap nodes. */
  readonly bytes: Uint8Array
  /** Names of former ZipMap outputs, each with the tensor that replaces it. */
  readonly tensorOf: ReadonlyMap<string, string>
}

/**
 * Removes ZipMap nodes from an ONNX model, and makes their input tensors graph outputs instead. scikit-learn's and LightGBM's
 * converters add a ZipMap by default, and ONNX Runtime for Node cannot return its sequence of maps.
 */
export function dropZipMap(model: Uint8Array): PlainGraph {
  const tensorOf = new Map<string, string>()
  rewriteFields(model, (field, graph) => {
    if (field === MODEL_GRAPH) {
      rewriteFields(graph, (field, node) => {
        if (field === GRAPH_NODE && textField(node, NODE_OP_TYPE) === 'ZipMap') {
          tensorOf.set(textField(node, NODE_OUTPUT), textField(node, NODE_INPUT))
        }
        return node
      })
    }
    return graph
  })
  if (tensorOf.size === 0) return { bytes: model, tensorOf }
  const bytes = rewriteFields(model, (field, graph) => (field === MODEL_GRAPH ? rewriteGraph(graph, tensorOf) : graph))
  return { bytes, tensorOf }
}

function rewriteGraph(graph: Uint8Array, tensorOf: ReadonlyMap<string, string>): Uint8Array {
  return rewriteFields(graph, (field, payload) => {
    if (field === GRAPH_NODE && textField(payload, NODE_OP_TYPE) === 'ZipMap') return undefined
    const tensor = field === GRAPH_OUTPUT ? tensorOf.get(textField(payload, VALUE_INFO_NAME)) : undefined
    // Without a type: ONNX Runtime infers it from the node that makes the tensor.
    return tensor === undefined ? payload : protobuf.Writer.create().uint32(tag(VALUE_INFO_NAME)).string(tensor).finish()
  })
}

function rewriteFields(message: Uint8Array, rewrite: Rewrite): Uint8Array {
  const reader = protobuf.Reader.create(message)
  const parts: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const start = reader.pos
    const key = reader.uint32()
    if ((key & 7) !== LENGTH_DELIMITED) {
      reader.skipType(key & 7)
      parts.push(message.subarray(start, reader.pos))
      continue
    }
    const payload = reader.bytes()
    const rewritten = rewrite(key >>> 3, payload)
    if (rewritten === payload) parts.push(message.subarray(start, reader.pos))
    else if (rewritten) parts.push(protobuf.Writer.create().uint32(key).bytes(rewritten).finish())
  }
  return Buffer.concat(parts)
}

/** The first value of a string field; empty when the message has none. */
function textField(message: Uint8Array, wanted: number): string {
  const reader = protobuf.Reader.create(message)
  while (reader.pos < reader.len) {
    const key = reader.uint32()
    if (key === tag(wanted)) return reader.string()
    reader.skipType(key & 7)
  }
  return ''
}

function tag(field: number): number {
  return (field << 3) | LENGTH_DELIMITED
}
